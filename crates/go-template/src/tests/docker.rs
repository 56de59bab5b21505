//! The output of Docker's client 28.2 for the same templates.

use super::rendered;

/// Templates on literals and on a field `Name`, which is `default`.
const CASES: &[(&str, &str)] = &[
    (r#"{{join (split "a,b" ",") "-"}}"#, "a-b"),
    (r#"{{split "a,b" ","}}"#, "[a b]"),
    (r#"{{pad "x" 2 3}}|"#, "  x   |"),
    (
        r#"{{truncate .Name 3}}|{{truncate "ab" 10}}|{{truncate "äöü" 2}}"#,
        "def|ab|ä",
    ),
    (r#"{{title "hELLO wORLD foo-bar"}}"#, "HELLO WORLD Foo-Bar"),
    (r#"{{slice "abcdef" 1 3}}"#, "bc"),
    (
        r#"{{slice (split "a,b,c" ",") 1}} {{slice "abc"}} {{slice "abc" 1}}"#,
        "[b c] abc bc",
    ),
    (r#"{{index (split "a,b" ",") 1}}{{index .Name 0}}"#, "b100"),
    ("{{len .Name}}", "7"),
    (r#"{{print 1 2 "a" "b" 3}}"#, "1 2ab3"),
    (r#"{{println "a" 1}}|"#, "a 1\n|"),
    (
        r#"{{print nil}} {{print true false}} {{print "a" true}} {{print 1.5 2}}"#,
        "<nil> true false atrue 1.5 2",
    ),
    (
        r#"{{eq .Name "a" "default"}}{{eq nil nil}}{{eq .Name nil}}"#,
        "truetruefalse",
    ),
    (
        r#"{{lt 1 2}}{{gt "b" "a"}}{{le 1.5 2.5}}{{ge 1 1}}{{ne 1 2}}"#,
        "truetruetruetruetrue",
    ),
    (r#"{{and 1 0 2}}|{{or 0 "" "x"}}|{{not 1}}"#, "0|x|false"),
    ("{{and .Name nil}}{{not nil}}", "<no value>true"),
    (
        r"{{if .Current}}cur{{else if eq 1 1}}x{{else}}y{{end}}",
        "cur",
    ),
    (r"{{with $x := .Name}}{{$x}}{{end}}", "default"),
    (
        r#"{{with ""}}x{{else}}y{{end}} {{with ""}}x{{else with "q"}}{{.}}{{end}}"#,
        "y q",
    ),
    (
        r#"{{range $i, $e := split "a,b" ","}}{{$i}}={{$e}};{{else}}none{{end}}"#,
        "0=a;1=b;",
    ),
    (r#"{{range split "" ","}}[{{.}}]{{end}}"#, "[]"),
    (
        "{{range 3}}{{.}}{{end}}{{range $i := 3}}{{$i}}{{end}}",
        "012012",
    ),
    (
        r#"{{range split "a,b,c" ","}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}"#,
        "ac",
    ),
    ("{{range 2}}{{if 1}}{{break}}{{end}}{{end}}", ""),
    (r#"a {{- " b " -}} c"#, "a b c"),
    ("{{- /* comment */ -}} x", "x"),
    ("{{/* c */}}y{{/* a */ -}} x", "yx"),
    ("{{$x := 1}}{{$x = 2}}{{$x}}{{$.Name}}", "2default"),
    ("{{$z := 1}}{{if 1}}{{$z = 5}}{{$z := 9}}{{end}}{{$z}}", "5"),
    ("{{$x := .Name | upper}}{{$x}}", "DEFAULT"),
    (
        "{{true}}{{1_000}}{{0x1F}}{{1e3}}{{1.0}}{{0.1}}{{1e21}}{{-5}}{{+5}}",
        "true100031100010.11e+21-55",
    ),
    (r"{{`raw\n`}}", r"raw\n"),
    (r#"{{"\u00e9\x41\101\\"}}{{'x'}}{{'\''}}"#, "éAA\\12039"),
    (
        "{{1e6}} {{1e20}} {{123456789.0}} {{0.00001}}",
        "1e+06 1e+20 1.23456789e+08 1e-05",
    ),
    (
        r#"{{(index (split "a,b" ",") 0) | upper | printf "%s-%s" "x"}}"#,
        "x-A",
    ),
    (r#"{{.Name | len | printf "%03d"}}"#, "007"),
    (
        r#"{{(print "a") | len}}{{printf "%s" (.Name)}}"#,
        "1default",
    ),
    (r#"{{"%d" | printf}} {{3 | printf "%d"}}"#, "%!d(MISSING) 3"),
    (
        r#"{{json (split "a,b" ",")}} {{json nil}}"#,
        r#"["a","b"] null"#,
    ),
    (r#"{{json "<&>\u2028"}}"#, r#""<&>\u2028""#),
    (r"a\tb\n{{.Name}}", "a\tb\ndefault"),
    // printf
    (
        r#"{{printf "%5d|%-5d|%05d|%x|%q|%v|%t" 3 3 3 255 "a\"b" 1.5 true}}"#,
        r#"    3|3    |00003|ff|"a\"b"|1.5|true"#,
    ),
    (
        r#"{{printf "%6.2f|%e|%g" 3.14159 1e10 1e21}}"#,
        "  3.14|1.000000e+10|1e+21",
    ),
    (
        r#"{{printf "%v %.3g %5.1e| %g" 2.5e7 1234567.0 12345.678 100000.0}}"#,
        "2.5e+07 1.23e+06 1.2e+04| 100000",
    ),
    (
        r#"{{printf "%d" "x"}}{{printf "%s" 3}}{{printf "%d" true}}{{printf "%t" 1}}"#,
        "%!d(string=x)%!s(int=3)%!d(bool=true)%!t(int=1)",
    ),
    (
        r#"{{printf "%d" 1.5}} {{printf "%s" 1.5}}"#,
        "%!d(float64=1.5) %!s(float64=1.5)",
    ),
    (
        r#"{{printf "%s %s" "a"}}{{printf "%s" "a" "b"}}"#,
        "a %!s(MISSING)a%!(EXTRA string=b)",
    ),
    (
        r#"{{printf "%v" nil}}{{printf "%s" nil}}"#,
        "<nil>%!s(<nil>)",
    ),
    (r#"{{printf "%q" 'x'}}"#, "'x'"),
    (
        r#"{{printf "%+d % d %#x %#o %b %o" 5 5 255 8 5 8}}"#,
        "+5  5 0xff 010 101 10",
    ),
    (
        r#"{{printf "%05d|%-05d|%+05d|%05s|%05.1f" -3 3 3 "a" 2.55}}"#,
        "-0003|3    |+0003|0000a|002.5",
    ),
    (
        r#"{{printf "%6q|%-6q|%+q|%#q" "a" "b" "é" "c"}}"#,
        r#"   "a"|"b"   |"\u00e9"|`c`"#,
    ),
    (
        r#"{{printf "%q" "a\tb\x01é\u202e"}}"#,
        r#""a\tb\x01é\u202e""#,
    ),
    (
        r#"{{printf "%[2]s %[1]s" "a" "b"}}{{printf "%[3]d" 1 2}}"#,
        "b a%!d(BADINDEX)",
    ),
    (
        r#"{{printf "%*d|%-*d" 5 3 4 2}} {{printf "%.*f" 2 3.14159}}"#,
        "    3|2    3.14",
    ),
    (
        r#"{{printf "%10s|%-10s|%.2s|%5t" "abc" "abc" "abc" true}}"#,
        "       abc|abc       |ab| true",
    ),
    (
        r#"{{printf "%x %X" "hi" "hi"}} {{printf "%c %U" 65 65}}"#,
        "6869 6869 A U+0041",
    ),
    (
        r#"{{printf "%v %+v %#v %T" "a" 1 "b" 1}}"#,
        r#"a 1 "b" int"#,
    ),
    (
        r#"{{printf "%%"}} {{printf "%z" 1}} {{printf "%"}} {{printf "%!" 1}}"#,
        "% %!z(int=1) %!(NOVERB) %!!(int=1)",
    ),
    (
        r#"{{printf "%q" (split "a,b" ",")}}{{printf "%s" (split "a,b" ",")}}"#,
        r#"["a" "b"][a b]"#,
    ),
    (
        r#"{{printf "%d" (split "a,b" ",")}}{{printf "%5v|" (split "a,b" ",")}}"#,
        "[%!d(string=a) %!d(string=b)][    a     b]|",
    ),
];

#[test]
fn templates_print_the_same_as_dockers() {
    for (source, printed) in CASES {
        assert_eq!(rendered(source), *printed, "{source}");
    }
}
