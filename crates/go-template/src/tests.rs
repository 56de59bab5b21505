//! The output of templates, the messages of malformed ones, and the limits.

mod docker;
mod hostile;

use super::*;

/// The value that the templates are rendered with: a struct with a map and lists.
fn value() -> Value {
    let json = serde_json::json!({
        "Env": ["PATH=/bin", "A=b"],
        "Labels": { "b": "2", "a": "1" },
        "Mixed": { "n": null, "f": 1.5, "i": 3, "l": [1, "x"], "o": {} },
        "Empty": {},
    });
    let Value::Map(value::MapValue { entries, .. }) = Value::from_json(json, false) else {
        panic!("an object is a map");
    };
    let field = |name: &str| StructField::new(name, entries[name].clone());
    Value::Struct(StructValue::new(vec![
        StructField::new("Name", Value::plain("default")),
        StructField::new("Current", Value::Bool(true)),
        StructField::new("Size", Value::Int(7_377_000)),
        field("Env"),
        field("Labels"),
        field("Mixed"),
        field("Empty"),
        StructField::hidden("Entrypoint", Value::no_list()),
        StructField::hidden("Volumes", Value::no_map(true)),
    ]))
}

/// Renders `source`, or returns the error.
fn rendered(source: &str) -> String {
    match Template::parse(source, Escapes::Interpreted) {
        Ok(template) => match template.render(&value()) {
            Ok(text) => text,
            Err(error) => format!("error: {error}"),
        },
        Err(error) => format!("parse error: {error}"),
    }
}

/// Returns the templates with their output, one per line.
fn table(cases: &[&str]) -> String {
    let line = |case: &&str| format!("{case} => {}", rendered(case).replace('\n', "⏎"));
    cases.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn values_print_as_in_go() {
    let cases = [
        "{{.Name}} {{.Current}} {{.Size}} {{$.Name}}",
        "{{.Env}} {{.Labels}} {{.Mixed}} {{.Empty}}",
        "{{.Labels.a}} {{.Labels.c}} {{.Labels.c.d}} {{.Mixed.n}} {{.Mixed.l}}",
        r#"{{index .Labels "a"}} [{{index .Labels "c"}}] {{index .Mixed "c"}} {{index .Env 0}} {{index .Mixed "l" 1}}"#,
        "{{.Entrypoint}} {{.Volumes}} {{.Volumes.x}} {{len .Volumes}}{{range .Entrypoint}}x{{else}} none{{end}}",
        "{{json .Entrypoint}} {{json .Volumes}} {{json .Env}} {{json .Labels}} {{json .Empty}} {{json .Mixed.n}}",
        "{{json .}}",
        r"{{range $key, $value := .Labels}}{{$key}}={{$value}};{{end}}",
        r#"{{range .Env}}{{println .}}{{end}}{{join .Env ", "}}"#,
        r"{{with .Labels}}{{.a}}{{$.Name}}{{end}}",
        "{{print .Mixed.n}} {{printf `%v` .Mixed.n}}",
    ];
    insta::assert_snapshot!(table(&cases), @r#"
    {{.Name}} {{.Current}} {{.Size}} {{$.Name}} => default true 7377000 default
    {{.Env}} {{.Labels}} {{.Mixed}} {{.Empty}} => [PATH=/bin A=b] map[a:1 b:2] map[f:1.5 i:3 l:[1 x] n:<nil> o:map[]] map[]
    {{.Labels.a}} {{.Labels.c}} {{.Labels.c.d}} {{.Mixed.n}} {{.Mixed.l}} => 1 <no value> <no value> <no value> [1 x]
    {{index .Labels "a"}} [{{index .Labels "c"}}] {{index .Mixed "c"}} {{index .Env 0}} {{index .Mixed "l" 1}} => 1 [] <no value> PATH=/bin x
    {{.Entrypoint}} {{.Volumes}} {{.Volumes.x}} {{len .Volumes}}{{range .Entrypoint}}x{{else}} none{{end}} => [] map[] <no value> 0 none
    {{json .Entrypoint}} {{json .Volumes}} {{json .Env}} {{json .Labels}} {{json .Empty}} {{json .Mixed.n}} => null null ["PATH=/bin","A=b"] {"a":"1","b":"2"} {} null
    {{json .}} => {"Name":"default","Current":true,"Size":7377000,"Env":["PATH=/bin","A=b"],"Labels":{"a":"1","b":"2"},"Mixed":{"f":1.5,"i":3,"l":[1,"x"],"n":null,"o":{}},"Empty":{}}
    {{range $key, $value := .Labels}}{{$key}}={{$value}};{{end}} => a=1;b=2;
    {{range .Env}}{{println .}}{{end}}{{join .Env ", "}} => PATH=/bin⏎A=b⏎PATH=/bin, A=b
    {{with .Labels}}{{.a}}{{$.Name}}{{end}} => 1default
    {{print .Mixed.n}} {{printf `%v` .Mixed.n}} => <nil> <nil>
    "#);
}

/// Each message is one line, with the position of the problem.
#[test]
fn error_messages_name_problem_and_position() {
    let cases = [
        "{{.Foo}}",
        "{{.Labels.a.b}}",
        "ünï {{.Name",
        "{{/* no end }}",
        "{{foo .Name}}",
        "{{if .Name}}x",
        "{{range .Env}}{{if .}}{{end}}",
        "{{end}}",
        "{{else}}",
        "{{if 1}}a{{else}}b{{else}}c{{end}}",
        "{{break}}",
        "{{$x}}",
        "{{define \"x\"}}{{end}}",
        "{{.Name \"x\"}}",
        "{{3 | 4}}",
        "{{upper}}",
        "{{upper .Size}}",
        "{{index .Env 2}}",
        "{{range .Name}}{{end}}",
        "{{eq .Name 1}}",
        "{{\"a}}",
        "{{(.Name}}",
        "{{.Name)}}",
        "{{}}",
        "{{nil}}",
        "{{.Name,}}",
        "{{#}}",
        "{{08}}",
        "{{'ab'}}",
        "{{\"\\q\"}}",
        "{{if}}{{end}}",
        "{{$x, $y := .Name}}",
        "{{pad .Name 99999999 0}}",
        "{{truncate .Name -1}}",
    ];
    insta::assert_snapshot!(table(&cases), @r#"
    {{.Foo}} => error: no field .Foo; available fields: Name, Current, Size, Env, Labels, Mixed, Empty, Entrypoint, Volumes
    {{.Labels.a.b}} => error: no field .Labels.a.b: the value is a text
    ünï {{.Name => parse error: at character 5: {{ without }}
    {{/* no end }} => parse error: at character 1: a comment must end with */}}
    {{foo .Name}} => parse error: at character 3: undefined function foo; available functions: and, eq, ge, gt, index, join, json, le, len, lower, lt, ne, not, or, pad, print, printf, println, slice, split, title, truncate, upper
    {{if .Name}}x => parse error: at character 3: {{if}} without {{end}}
    {{range .Env}}{{if .}}{{end}} => parse error: at character 3: {{range}} without {{end}}
    {{end}} => parse error: at character 6: unexpected {{end}}
    {{else}} => parse error: at character 7: unexpected {{else}}
    {{if 1}}a{{else}}b{{else}}c{{end}} => parse error: at character 25: unexpected a second {{else}}
    {{break}} => parse error: at character 3: {{break}} outside of {{range}}
    {{$x}} => parse error: at character 3: undefined variable $x
    {{define "x"}}{{end}} => parse error: at character 3: {{define}} is not supported
    {{.Name "x"}} => parse error: at character 3: .Name is not a function and takes no arguments
    {{3 | 4}} => parse error: at character 7: 4 is not a function and takes no arguments
    {{upper}} => parse error: at character 3: upper takes 1 value, not 0
    {{upper .Size}} => error: upper: expected a text, not a whole number
    {{index .Env 2}} => error: index: index 2 is out of range
    {{range .Name}}{{end}} => error: range: cannot iterate over a text
    {{eq .Name 1}} => error: eq: a text and a whole number cannot be compared
    {{"a}} => parse error: at character 3: unterminated text: missing "
    {{(.Name}} => parse error: at character 3: ( without )
    {{.Name)}} => parse error: at character 8: unexpected )
    {{}} => parse error: at character 3: missing value
    {{nil}} => parse error: at character 3: nil cannot be printed
    {{.Name,}} => parse error: at character 8: unexpected ,
    {{#}} => parse error: at character 3: unexpected '#'
    {{08}} => parse error: at character 3: invalid number: 08
    {{'ab'}} => parse error: at character 3: single quotes must contain one character
    {{"\q"}} => parse error: at character 3: unknown escape: \q
    {{if}}{{end}} => parse error: at character 5: missing value
    {{$x, $y := .Name}} => parse error: at character 3: undefined variable $x
    {{pad .Name 99999999 0}} => error: pad: 99999999 is greater than 60000
    {{truncate .Name -1}} => error: truncate: -1 is negative
    "#);
}

/// The names of columns replace the values; functions that change texts leave them unchanged.
#[test]
fn headers_have_the_names_of_columns() {
    let names = Value::Struct(StructValue::new(vec![
        StructField::new("Name", Value::plain("NAME")),
        StructField::new("Tag", Value::plain("TAG")),
    ]));
    let header = |source| {
        let template = Template::parse(source, Escapes::Interpreted).unwrap();
        template.header(&names)
    };
    assert_eq!(
        header(r"{{.Name}}:{{lower .Tag}}\t{{truncate .Name 2}}{{json .Tag}}").unwrap(),
        "NAME:TAG\tNAMETAG"
    );
    assert_eq!(
        header(r#"{{join (split .Name ",") "-"}}{{range .Tag}}x{{end}}{{index .Tag "x"}}"#)
            .unwrap(),
        "NAMETAG"
    );
    assert!(matches!(
        header("{{.Foo}}"),
        Err(EvalError::UnknownField { .. })
    ));
}

/// `docker images` interprets `\t` as a tab, `docker inspect` does not.
#[test]
fn escapes_are_interpreted_in_lists_only() {
    let text = |escapes| {
        let template = Template::parse(r#"a\tb\n{{"\t"}}"#, escapes).unwrap();
        template.render(&Value::Nil).unwrap()
    };
    assert_eq!(text(Escapes::Interpreted), "a\tb\n\t");
    assert_eq!(text(Escapes::Verbatim), "a\\tb\\n\t");
}
