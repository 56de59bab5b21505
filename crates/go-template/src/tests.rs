//! Templates: what Docker prints, what is wrong with those that are wrong, and that none is too much.

mod docker;
mod hostile;

use super::*;

/// What a template is rendered with: a struct with a map and lists in it.
fn value() -> Value {
    let json = serde_json::json!({
        "Env": ["PATH=/bin", "A=b"],
        "Labels": { "b": "2", "a": "1" },
        "Mixed": { "n": null, "f": 1.5, "i": 3, "l": [1, "x"], "o": {} },
        "Empty": {},
    });
    let Value::Map(value::Map { entries, .. }) = Value::from_json(json, false) else {
        panic!("an object is a map");
    };
    let field = |name: &str| Field::new(name, entries[name].clone());
    Value::Struct(Struct::new(vec![
        Field::new("Name", Value::plain("default")),
        Field::new("Current", Value::Bool(true)),
        Field::new("Size", Value::Int(7_377_000)),
        field("Env"),
        field("Labels"),
        field("Mixed"),
        field("Empty"),
        Field::hidden("Entrypoint", Value::no_list()),
        Field::hidden("Volumes", Value::no_map(true)),
    ]))
}

/// Renders `source`, or says why it cannot be.
fn rendered(source: &str) -> String {
    match Template::parse(source, Escapes::Mean) {
        Ok(template) => match template.render(&value()) {
            Ok(text) => text,
            Err(error) => format!("error: {error}"),
        },
        Err(error) => format!("no template: {error}"),
    }
}

/// Every template of `cases` with what it makes, for a snapshot.
fn table(cases: &[&str]) -> String {
    let line = |case: &&str| format!("{case} => {}", rendered(case).replace('\n', "⏎"));
    cases.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn values_print_as_gos() {
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

/// One line that says what and where.
#[test]
fn what_is_wrong_is_said() {
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
    {{.Foo}} => error: there is no field .Foo; there are Name, Current, Size, Env, Labels, Mixed, Empty, Entrypoint, Volumes
    {{.Labels.a.b}} => error: there is no field .Labels.a.b: what should have it is a text
    ünï {{.Name => no template: at character 5: {{ without }}
    {{/* no end }} => no template: at character 1: a comment has to end with */}}
    {{foo .Name}} => no template: at character 3: there is no function foo; there are and, eq, ge, gt, index, join, json, le, len, lower, lt, ne, not, or, pad, print, printf, println, slice, split, title, truncate, upper
    {{if .Name}}x => no template: at character 3: {{if}} without {{end}}
    {{range .Env}}{{if .}}{{end}} => no template: at character 3: {{range}} without {{end}}
    {{end}} => no template: at character 6: unexpected {{end}}
    {{else}} => no template: at character 7: unexpected {{else}}
    {{if 1}}a{{else}}b{{else}}c{{end}} => no template: at character 25: unexpected a second {{else}}
    {{break}} => no template: at character 3: {{break}} outside of {{range}}
    {{$x}} => no template: at character 3: there is no variable $x
    {{define "x"}}{{end}} => no template: at character 3: {{define}} is not supported
    {{.Name "x"}} => no template: at character 3: .Name is no function, and takes no arguments
    {{3 | 4}} => no template: at character 7: 4 is no function, and takes no arguments
    {{upper}} => no template: at character 3: upper takes 1 value, not 0
    {{upper .Size}} => error: upper: expected a text, not a whole number
    {{index .Env 2}} => error: index: there is no element 2
    {{range .Name}}{{end}} => error: range: there are no elements in a text
    {{eq .Name 1}} => error: eq: a text and a whole number cannot be compared
    {{"a}} => no template: at character 3: the text has no closing "
    {{(.Name}} => no template: at character 3: ( without )
    {{.Name)}} => no template: at character 8: unexpected )
    {{}} => no template: at character 3: nothing stands where a value should
    {{nil}} => no template: at character 3: nil is not a value that can be printed
    {{.Name,}} => no template: at character 8: unexpected ,
    {{#}} => no template: at character 3: unexpected '#'
    {{08}} => no template: at character 3: no number that can be used: 08
    {{'ab'}} => no template: at character 3: a character in single quotes has to be one character
    {{"\q"}} => no template: at character 3: no such escape: \q
    {{if}}{{end}} => no template: at character 5: nothing stands where a value should
    {{$x, $y := .Name}} => no template: at character 3: there is no variable $x
    {{pad .Name 99999999 0}} => error: pad: 99999999 is more than 60000
    {{truncate .Name -1}} => error: truncate: -1 is less than nothing
    "#);
}

/// The names of columns take the place of the values; what changes texts leaves them.
#[test]
fn headers_are_made_of_names() {
    let names = Value::Struct(Struct::new(vec![
        Field::new("Name", Value::plain("NAME")),
        Field::new("Tag", Value::plain("TAG")),
    ]));
    let header = |source| {
        let template = Template::parse(source, Escapes::Mean).unwrap();
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

/// `docker images` takes `\t` for a tab, `docker inspect` for itself.
#[test]
fn escapes_mean_something_in_lists_only() {
    let text = |escapes| {
        let template = Template::parse(r#"a\tb\n{{"\t"}}"#, escapes).unwrap();
        template.render(&Value::Nil).unwrap()
    };
    assert_eq!(text(Escapes::Mean), "a\tb\n\t");
    assert_eq!(text(Escapes::AreText), "a\\tb\\n\t");
}
