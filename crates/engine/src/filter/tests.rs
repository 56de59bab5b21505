use jiff::ZonedDateTime;
use windlass_oci::Reference;

use super::{FilterError, FilterUse, Filters, Pattern, time};

fn now() -> ZonedDateTime {
    "2026-11-28T12:00:00+02:00[+02:00]".parse().unwrap()
}

fn parse(filter: &str) -> Result<Filters, FilterError> {
    Filters::parse(FilterUse::Images, [filter], &now())
}

fn error(usage: FilterUse, filters: &[&str]) -> String {
    let parsed = Filters::parse(usage, filters.iter().copied(), &now());
    parsed.unwrap_err().to_string()
}

#[test]
fn keys_and_values_are_checked() {
    use FilterUse::{Images, Prune};
    for (usage, filters, expected) in [
        (
            Images,
            &["dangling"][..],
            "invalid filter 'dangling': expected KEY=VALUE",
        ),
        (Images, &["foo=bar"], "invalid filter 'foo'"),
        (Images, &["\x1b[2J=x"], r"invalid filter '\u{1b}[2j'"),
        (Prune, &["reference=alpine"], "invalid filter 'reference'"),
        (Prune, &["before=alpine"], "invalid filter 'before'"),
        (
            Images,
            &["dangling=maybe"],
            "invalid filter 'dangling=maybe': expected true or false",
        ),
        (
            Images,
            &["dangling=1", "dangling=f"],
            "invalid filter 'dangling=f': another filter has the opposite value",
        ),
        (
            Prune,
            &["label!==x"],
            "invalid filter 'label!==x': expected the key of a label",
        ),
        (
            Prune,
            &["until=soon"],
            "invalid filter 'until=soon': expected a span such as 24h, a time such as \
             2026-01-31T12:00:00Z, or seconds since 1970",
        ),
        (
            Images,
            &["reference=[a"],
            "invalid filter 'reference=[a': a '[' without its ']', an empty range or a '\\' at the end",
        ),
        (
            Images,
            &["since=UPPER"],
            "invalid filter 'since=UPPER': invalid reference \"UPPER\": the repository name must be \
             lowercase",
        ),
    ] {
        assert_eq!(error(usage, filters), expected);
    }
    assert!(Filters::default().is_empty());
    assert!(!parse(" Dangling = TRUE ").unwrap().is_empty());
}

#[test]
fn lists_are_parsed_like_the_filters_of_a_command_line() {
    let filters = ["dangling=true", "label=a", "label=b=c", "label!=d"];
    let written = Filters::parse(FilterUse::Prune, filters, &now()).unwrap();
    let lists = [
        ("dangling", &["true"][..]),
        ("label", &["a", "b=c"]),
        ("label!", &["d"]),
    ];
    let list = |(key, values): (&str, &[&str])| {
        let values = values.iter().map(ToString::to_string).collect();
        (key.to_owned(), values)
    };
    let lists = lists.map(list).into_iter().collect();
    let listed = Filters::from_lists(FilterUse::Prune, &lists, &now()).unwrap();
    assert_eq!(written, listed);
}

#[test]
fn until_accepts_durations_times_and_seconds() {
    for (text, expected) in [
        ("24h", "2026-11-27T10:00:00Z"),
        ("10m", "2026-11-28T09:50:00Z"),
        ("1h30m", "2026-11-28T08:30:00Z"),
        ("1.5h", "2026-11-28T08:30:00Z"),
        ("300ms", "2026-11-28T09:59:59.7Z"),
        ("-1h", "2026-11-28T11:00:00Z"),
        ("7d", "2026-11-21T10:00:00Z"),
        ("2w", "2026-11-14T10:00:00Z"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.25Z"),
        ("2026-01-31T12:00:00-07:00", "2026-01-31T19:00:00Z"),
        ("2026-01-31T12:00+02:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31T12:00:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31T12:00", "2026-01-31T10:00:00Z"),
        ("2026-01-31T12", "2026-01-31T10:00:00Z"),
        ("2026-01-31", "2026-01-30T22:00:00Z"),
        ("2026-01-31Z", "2026-01-31T00:00:00Z"),
        ("2026-01-31-07:00", "2026-01-31T07:00:00Z"),
        ("20260131", "1970-08-23T11:48:51Z"),
        ("1767225600", "2026-01-01T00:00:00Z"),
        ("1767225600.25", "2026-01-01T00:00:00.25Z"),
        ("0", "1970-01-01T00:00:00Z"),
    ] {
        let found = time::parse(text, &now()).map(|time| time.to_string());
        assert_eq!(found.as_deref(), Some(expected), "{text}");
    }
    for text in [
        "",
        "h",
        "yesterday",
        "1 month",
        "1y",
        "2026-02-30",
        "1.2.3",
        "1.",
        "99999999999999999999",
        "9999999999999h",
    ] {
        assert_eq!(time::parse(text, &now()), None, "{text}");
    }
}

/// An image must match all values, so the earliest one decides.
#[test]
fn the_earliest_of_several_times_is_used() {
    let several = Filters::parse(FilterUse::Prune, ["until=1h", "until=3h"], &now());
    let one = Filters::parse(FilterUse::Prune, ["until=3h"], &now());
    assert_eq!(several, one);
}

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::parse(pattern).unwrap().matches(text)
}

/// The cases of Go's own documentation of `path.Match`, and more.
#[test]
fn patterns_have_the_syntax_of_go() {
    for (pattern, text) in [
        ("abc", "abc"),
        ("*", "abc"),
        ("*", ""),
        ("*c", "abc"),
        ("a*", "abc"),
        ("a*/b", "abc/b"),
        ("a*b*c*d*e*/f", "axbxcxdxe/f"),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f"),
        ("a*b?c*x", "abxbbxdbxebxczzx"),
        ("ab[c]", "abc"),
        ("ab[b-d]", "abc"),
        ("ab[^e-g]", "abc"),
        ("a\\*b", "a*b"),
        ("a[^a]b", "a☺b"),
        ("a???b", "a☺☺☺b"),
        ("[a-ζ]*", "α"),
        ("[\\]a]", "]"),
        ("[\\-]", "-"),
        ("[x\\-]", "x"),
        ("[^/]*", "ab"),
    ] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [
        ("a*", "ab/c"),
        ("a*/b", "a/c/b"),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f"),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff"),
        ("a*b?c*x", "abxbbxdbxebxczzy"),
        ("ab[e-g]", "abc"),
        ("ab[^b-d]", "abc"),
        ("a\\*b", "ab"),
        ("a?b", "a/b"),
        ("*x", "xxy"),
        ("", "a"),
        ("abc", "ab"),
    ] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
    for pattern in [
        "[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[^bc", "a[", "[a\\",
    ] {
        assert_eq!(Pattern::parse(pattern), None, "{pattern}");
    }
}

/// The time to match does not grow exponentially with the number of wildcards.
#[test]
fn many_wildcards_are_matched_fast() {
    let pattern = "a*".repeat(100) + "b";
    assert!(!matches(&pattern, &"a".repeat(1000)));
}

#[test]
fn names_match_with_their_tag_and_without() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (filter, name, expected) in [
        ("alp*", "alpine:3", true),
        ("alpine", "docker.io/library/alpine:3", true),
        ("alpine:3*", "alpine:3.20", true),
        ("alpine:4", "alpine:3", false),
        ("*/*:3", "me/app:3", true),
        ("*/*:3", "alpine:3", false),
        ("*", "me/app:3", false),
        ("ghcr.io/*/*", "ghcr.io/me/app:3", true),
        ("docker.io/library/alpine", "alpine:3", false),
        ("alpine@sha256:*", &format!("alpine@{digest}"), true),
    ] {
        let name: Reference = name.parse().unwrap();
        let filters = parse(&format!("reference={filter}")).unwrap();
        assert_eq!(filters.selects_name(&name), expected, "{filter} {name}");
    }
    let both = Filters::parse(FilterUse::Images, ["reference=a", "reference=b:1"], &now()).unwrap();
    let selected = ["a:2", "b:1", "b:2"].map(|name| both.selects_name(&name.parse().unwrap()));
    assert_eq!(selected, [true, true, false]);
}
