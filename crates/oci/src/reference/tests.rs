use proptest::prelude::*;

use super::*;

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const HEX: &str = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a";

fn reference(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn problem(text: &str) -> ReferenceProblem {
    match text.parse::<Reference>() {
        Ok(reference) => panic!("{text:?} was parsed as {reference}"),
        Err(error) => error.problem,
    }
}

/// Asserts the full and the familiar form of each name.
fn assert_forms(forms: &[(&str, &str, &str)]) {
    for (text, full, familiar) in forms {
        let reference = reference(text);
        assert_eq!(reference.to_string(), *full, "{text}");
        assert_eq!(reference.familiar(), *familiar, "{text}");
    }
}

/// REF-1: the first component is a host only if it contains a dot or a colon, or is `localhost`.
#[test]
fn the_first_component_is_a_host_only_if_it_looks_like_one() {
    assert_forms(&[
        ("user/app", "docker.io/user/app", "user/app"),
        ("a/b/c", "docker.io/a/b/c", "a/b/c"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("localhost", "docker.io/library/localhost", "localhost"),
        ("quay.io/app", "quay.io/app", "quay.io/app"),
        ("host:5000/app", "host:5000/app", "host:5000/app"),
        ("host:5000", "docker.io/library/host:5000", "host:5000"),
        ("foo.bar:1", "docker.io/library/foo.bar:1", "foo.bar:1"),
        ("127.0.0.1:80/a/b", "127.0.0.1:80/a/b", "127.0.0.1:80/a/b"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000/app:1"),
        (
            "[2001:db8::1]/app",
            "[2001:db8::1]/app",
            "[2001:db8::1]/app",
        ),
        ("xn--7o8h.com/x", "xn--7o8h.com/x", "xn--7o8h.com/x"),
    ]);
    assert_eq!(problem("Host/app"), ReferenceProblem::Uppercase);
}

/// REF-2: the default registry and its `library/` are implied, and omitted for display.
#[test]
fn the_default_registry_is_implied() {
    assert_forms(&[
        ("alpine", "docker.io/library/alpine", "alpine"),
        ("index.docker.io/u/a", "docker.io/u/a", "u/a"),
        (
            "docker.io/library/a/b",
            "docker.io/library/a/b",
            "library/a/b",
        ),
        (
            "quay.io/library/a",
            "quay.io/library/a",
            "quay.io/library/a",
        ),
        ("docker.io:443/a", "docker.io:443/a", "docker.io:443/a"),
    ]);
    let alpine = reference("alpine");
    assert_eq!(alpine.repository().registry(), DEFAULT_REGISTRY);
    assert_eq!(alpine.repository().path(), "library/alpine");
}

/// REF-2: parsing a familiar name returns the repository that it was made from.
#[test]
fn a_familiar_name_is_unambiguous() {
    assert_forms(&[
        (
            "docker.io/localhost/x",
            "docker.io/localhost/x",
            "docker.io/localhost/x",
        ),
        (
            "docker.io/foo.bar/x",
            "docker.io/foo.bar/x",
            "docker.io/foo.bar/x",
        ),
        ("docker.io/foo.bar", "docker.io/library/foo.bar", "foo.bar"),
    ]);
}

/// REF-3: all spellings of one image are one reference.
#[test]
fn spellings_of_one_image_are_equal() {
    let spellings = [
        "app",
        "app:latest",
        "library/app",
        "docker.io/app",
        "docker.io/library/app:latest",
        "index.docker.io/app",
        "index.docker.io/library/app:latest",
        "DOCKER.io/library/app",
    ];
    for text in spellings {
        assert_eq!(
            reference(text).or_latest(),
            reference("app:latest"),
            "{text}"
        );
    }
    assert_eq!(
        reference("HOST.example:0443/a"),
        reference("host.example:443/a")
    );
    assert_eq!(reference("[2001:DB8:0::1]/a"), reference("[2001:db8::1]/a"));
}

/// REF-4
#[test]
fn upper_case_in_the_path_is_rejected() {
    for text in [
        "Alpine",
        "user/App",
        "user/App:tag",
        "docker.io/user/App",
        "Uppercase/lowercase",
    ] {
        assert_eq!(problem(text), ReferenceProblem::Uppercase, "{text}");
    }
    assert_eq!(
        "Alpine".parse::<Reference>().unwrap_err().to_string(),
        "invalid reference \"Alpine\": the repository name must be lowercase"
    );
    assert_eq!(
        reference("app:Upper").to_string(),
        "docker.io/library/app:Upper"
    );
}

/// REF-5
#[test]
fn a_name_like_an_image_id_is_rejected() {
    let host = format!("docker.io/{HEX}");
    for text in [HEX, &host, &format!("{HEX}:tag"), &format!("library/{HEX}")] {
        assert_eq!(problem(text), ReferenceProblem::LikeId, "{text}");
    }
    for text in [
        &HEX[1..],
        &format!("{HEX}0"),
        &format!("user/{HEX}"),
        &format!("quay.io/{HEX}"),
    ] {
        reference(text);
    }
    reference("thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev");
}

/// REF-5, RS-4: `sha256:cafe` is the beginning of an ID, never a repository with a tag.
#[test]
fn a_name_like_a_digest_is_rejected() {
    for text in ["sha256:cafe", "sha512", "docker.io/library/sha256:1"] {
        assert_eq!(problem(text), ReferenceProblem::LikeId, "{text}");
    }
    reference("user/sha256:1");
}

/// REF-5: hyphens, underscores and dots between letters and digits.
#[test]
fn paths_follow_the_grammar() {
    for text in [
        "d/docker",
        "docker-rules/docker",
        "docker---rules/docker",
        "dock__er/docker",
        "e/a_b.c-d",
        "0/1",
        "host.com/a__b/c--d",
    ] {
        assert_eq!(reference(text).familiar(), text);
    }
    for text in [
        "-docker/docker",
        "docker-/docker",
        "_docker/_docker",
        "____/____",
        "a/dock..er:1",
        "a/dock_.er",
        "a/dock-.er",
        "a/b___c",
        "docker///docker",
        "docker/",
        "/docker",
        "quay.io//docker",
        "a/ b",
        "a b",
        "a/b\n",
        "größe/x",
        "a/$$^/b",
        "a/../b",
        "[::1]",
        "a%2fb",
    ] {
        let problem = problem(text);
        assert!(
            matches!(problem, ReferenceProblem::Path(_)),
            "{text:?}: {problem}"
        );
    }
}

/// REF-5
#[test]
fn a_path_has_at_most_255_characters() {
    let longest = format!("{}a", "a/".repeat(127));
    assert_eq!(longest.len(), 255);
    assert_eq!(
        reference(&format!("host:1/{longest}")).repository().path(),
        longest
    );
    assert_eq!(
        problem(&format!("host:1/{longest}a")),
        ReferenceProblem::TooLong
    );
    assert_eq!(
        problem(&"a".repeat(248)),
        ReferenceProblem::TooLong,
        "library/ counts"
    );
    let error = "a".repeat(1 << 20).parse::<Reference>().unwrap_err();
    assert!(
        error.to_string().len() < 300,
        "an error must not echo a megabyte"
    );
}

#[test]
fn hosts_follow_the_grammar() {
    for text in [
        "-docker.io/x",
        "docker-.io/x",
        "foo_bar.com:8080/x",
        "a..b/x",
        ".a/x",
        "a./x",
        "host:/x",
        "host:0/x",
        "host:65536/x",
        "host:+80/x",
        "host:80:80/x",
        ":80/x",
        "[::1/x",
        "[::1]5000/x",
        "[fe80::1%eth0]:5000/x",
        "[::g]/x",
        "[]:1/x",
        "größe.de/x",
        "user@host:5000/x",
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text:?}");
    }
    assert_eq!(
        "foo_bar.com:8080/x"
            .parse::<Reference>()
            .unwrap_err()
            .to_string(),
        "invalid reference \"foo_bar.com:8080/x\": \"foo_bar.com:8080\" is not a host or host:port"
    );
    let longest = format!("{}.io", "a".repeat(252));
    reference(&format!("{longest}/x"));
    assert!(format!("a{longest}/x").parse::<Reference>().is_err());
}

#[test]
fn a_registry_is_a_host_with_an_optional_port() {
    let parts = |text| {
        let repository = reference(text).repository().clone();
        (repository.host().to_owned(), repository.port())
    };
    assert_eq!(parts("alpine"), ("docker.io".to_owned(), None));
    assert_eq!(
        parts("localhost:5000/x"),
        ("localhost".to_owned(), Some(5000))
    );
    assert_eq!(parts("[::1]:65535/x"), ("[::1]".to_owned(), Some(65535)));
    assert_eq!(parts("[::1]/x"), ("[::1]".to_owned(), None));
}

/// REF-6: unlike in Docker, the tag is kept beside the digest.
#[test]
fn a_tag_and_a_digest_are_both_kept() {
    let text = format!("host:5000/app:1@{EMPTY}");
    let both = reference(&text);
    assert_eq!(both.tag().map(Tag::as_str), Some("1"));
    assert_eq!(both.digest().map(Digest::to_string).as_deref(), Some(EMPTY));
    assert_eq!(both.to_string(), text);
    assert_eq!(
        both.without_tag().to_string(),
        format!("host:5000/app@{EMPTY}")
    );
    assert_eq!(both.without_digest().to_string(), "host:5000/app:1");
}

/// REF-7
#[test]
fn latest_is_added_only_to_a_bare_name() {
    assert_eq!(reference("app").or_latest().familiar(), "app:latest");
    assert_eq!(reference("app:1").or_latest().familiar(), "app:1");
    let pinned = format!("app@{EMPTY}");
    assert_eq!(reference(&pinned).or_latest().familiar(), pinned);
}

/// REF-9
#[test]
fn scratch_and_the_empty_name_are_rejected() {
    for text in [
        "scratch",
        "scratch:1",
        "docker.io/library/scratch",
        &format!("scratch@{EMPTY}"),
    ] {
        assert_eq!(problem(text), ReferenceProblem::Reserved, "{text}");
    }
    for text in ["", ":tag", "quay.io/", &format!("@{EMPTY}")] {
        assert_eq!(problem(text), ReferenceProblem::Empty, "{text}");
    }
    assert_eq!(reference("user/scratch").familiar(), "user/scratch");
}

/// EP-12
#[test]
fn a_url_is_rejected() {
    assert_eq!(
        "https://quay.io/app:1"
            .parse::<Reference>()
            .unwrap_err()
            .to_string(),
        "invalid reference \"https://quay.io/app:1\": write the name without \"https://\""
    );
    assert!(matches!(
        problem("docker://alpine"),
        ReferenceProblem::Scheme(_)
    ));
}

#[test]
fn tags_follow_the_grammar() {
    for text in ["1", "_", "v1.2-rc_3", "A", &"a".repeat(128)] {
        assert_eq!(text.parse::<Tag>().unwrap().as_str(), text);
    }
    for text in [
        "",
        ".a",
        "-a",
        "a b",
        "a/b",
        "ä",
        "a\x1b",
        "../x",
        &"a".repeat(129),
    ] {
        assert!(text.parse::<Tag>().is_err(), "{text:?}");
    }
    assert_eq!(
        "app:".parse::<Reference>().unwrap_err().to_string(),
        "invalid reference \"app:\": invalid tag \"\": expected 1 to 128 letters, digits, '_', '.' or \
         '-', not beginning with '.' or '-'"
    );
}

/// T19
#[test]
fn the_digest_of_a_reference_is_parsed_strictly() {
    for text in [
        "app@",
        "app@sha256:",
        "app@sha256:cafe",
        "app@latest",
        &format!("app@{EMPTY}@{EMPTY}"),
    ] {
        assert!(
            matches!(problem(text), ReferenceProblem::Digest(_)),
            "{text}"
        );
    }
}

#[test]
fn a_repository_name_has_neither_tag_nor_digest() {
    let name: RepositoryName = "alpine".parse().unwrap();
    assert_eq!(name.to_string(), "docker.io/library/alpine");
    assert_eq!(name.clone().reference(), reference("alpine"));
    let error = "alpine:3".parse::<RepositoryName>().unwrap_err();
    assert_eq!(error.problem, ReferenceProblem::NotNameOnly);
}

#[test]
fn json_holds_the_full_form() {
    let json = serde_json::to_string(&reference("alpine:3")).unwrap();
    assert_eq!(json, "\"docker.io/library/alpine:3\"");
    assert_eq!(
        serde_json::from_str::<Reference>(&json).unwrap(),
        reference("alpine:3")
    );
    assert!(serde_json::from_str::<Reference>("\"UPPER\"").is_err());
}

prop_compose! {
    fn any_name()(
        host in prop::option::of(prop_oneof![
            "([a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?\\.){1,2}[a-z]{2}(:[1-9][0-9]{0,3})?",
            "(localhost|docker\\.io|index\\.docker\\.io|\\[::1\\])(:[1-9][0-9]{0,3})?",
        ]),
        path in "([a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}/){0,2}[a-z0-9]{1,6}(\\.[a-z]{2})?",
    ) -> String {
        // Without a host before it, a first component with a dot would be parsed as a host.
        host.map_or(path.replace('.', "-"), |host| format!("{host}/{path}"))
    }
}

proptest! {
    #[test]
    fn a_reference_round_trips(
        name in any_name(),
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}"),
        pinned in any::<bool>(),
    ) {
        let tag = tag.map_or(String::new(), |tag| format!(":{tag}"));
        let digest = if pinned { format!("@{EMPTY}") } else { String::new() };
        let reference = reference(&format!("{name}{tag}{digest}"));
        prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
        prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
    }

    #[test]
    fn every_accepted_reference_is_normalized(text in "[ -~]{0,12}|[a-zA-Z0-9./:@\\[\\]_-]{0,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
            prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
        }
    }
}
