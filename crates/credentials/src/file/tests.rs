use proptest::prelude::*;
use windlass_registry::Secret;

use super::*;

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic {
        username: username.to_owned(),
        password: Secret::new(password),
    }
}

fn file(format: CredentialFileFormat, json: &str) -> CredentialFile {
    CredentialFile::parse(format, json.as_bytes()).unwrap()
}

fn docker(json: &str) -> CredentialFile {
    file(CredentialFileFormat::Docker, json)
}

/// Returns the credentials in `file` for `name`, which has the form `host` or `host/repository`.
fn found(file: &CredentialFile, name: &str) -> Credentials {
    let (host, repository) = name.split_once('/').unwrap_or((name, ""));
    let scope = CredentialScope {
        host: host.to_owned(),
        repository: repository.to_owned(),
    };
    let found = file.find(&scope);
    found.map_or(Credentials::Anonymous, |found| found.credentials.clone())
}

/// Returns an entry with this user name.
fn entry(user: &str) -> String {
    format!(r#"{{"username":"{user}","password":"x"}}"#)
}

#[test]
fn every_form_of_credentials_is_read() {
    // In base64: "me:pass:word"; "me:pass" and a NUL; "00:"; "me:"; "me:pass" without padding, and in
    // several lines; ":".
    let file = docker(
        r#"{
          "auths": {
            "a.test": {"auth": "bWU6cGFzczp3b3Jk"},
            "b.test:5000": {"auth": "bWU6cGFzcwA=", "email": "x"},
            "c.test": {"username": "you", "password": "secret"},
            "d.test": {"auth": "MDA6", "identitytoken": "refresh"},
            "e.test": {"auth": "MDA6", "registrytoken": "access", "identitytoken": "x"},
            "f.test": {},
            "g.test": {"auth": "bWU6", "username": null},
            "h.test": {"username": "only-a-name"},
            "i.test": {"auth": "bWU6cGFzcwA"},
            "j.test": {"auth": "bWU6\r\ncGFz\ncwA=\n"},
            "k.test": {"auth": "Og=="},
            "l.test": {"username": "", "password": ""}
          },
          "HttpHeaders": {"X": "y"}
        }"#,
    );
    for (host, expected) in [
        ("a.test", basic("me", "pass:word")),
        ("b.test:5000", basic("me", "pass")),
        ("b.test", Credentials::Anonymous),
        ("c.test", basic("you", "secret")),
        ("d.test", Credentials::IdentityToken(Secret::new("refresh"))),
        ("e.test", Credentials::RegistryToken(Secret::new("access"))),
        ("f.test", Credentials::Anonymous),
        ("g.test", Credentials::Anonymous),
        ("h.test", Credentials::Anonymous),
        ("i.test", basic("me", "pass")),
        ("j.test", basic("me", "pass")),
        ("k.test", Credentials::Anonymous),
        ("l.test", Credentials::Anonymous),
        ("unknown.test", Credentials::Anonymous),
    ] {
        assert_eq!(found(&file, host), expected, "{host}");
    }
}

#[test]
fn keys_may_have_a_scheme_and_a_path() {
    let file = docker(&format!(
        r#"{{"auths":{{
            "https://a.test/v1/": {}, "a.test": {}, "https://b.test:5000": {}, "c.test/v2/": {},
            "https://index.docker.io/v1/": {}, "docker.io": {}
        }}}}"#,
        entry("path"),
        entry("exact"),
        entry("scheme"),
        entry("c"),
        entry("hub"),
        entry("not this one"),
    ));
    for (host, user) in [
        ("a.test", "exact"),
        ("b.test:5000", "scheme"),
        ("c.test", "c"),
        ("docker.io", "hub"),
        ("registry-1.docker.io", "hub"),
    ] {
        assert_eq!(found(&file, host), basic(user, "x"), "{host}");
    }
    assert_eq!(found(&file, "evil-a.test"), Credentials::Anonymous);
}

#[test]
fn docker_hub_has_several_names() {
    for key in [
        "docker.io",
        "index.docker.io",
        "https://registry-1.docker.io/v2/",
    ] {
        let file = docker(&format!(r#"{{"auths":{{"{key}":{}}}}}"#, entry("a")));
        assert_eq!(found(&file, "docker.io"), basic("a", "x"), "{key}");
    }
}

/// podman's rule: the most specific key takes precedence.
#[test]
fn the_most_specific_key_takes_precedence() {
    let json = format!(
        r#"{{"auths":{{
            "a.test/ns": {}, "a.test": {}, "a.test/ns/app": {}, "b.test/ns": {}, "docker.io/library": {},
            "c.test/ns": {{}}, "c.test": {}
        }}}}"#,
        entry("ns"),
        entry("host"),
        entry("app"),
        entry("b"),
        entry("library"),
        entry("c"),
    );
    let podman = file(CredentialFileFormat::Podman, &json);
    for (name, user) in [
        ("a.test/ns/app", "app"),
        ("a.test/ns/app/part", "app"),
        ("a.test/ns/apple", "ns"),
        ("a.test/nsx", "host"),
        ("a.test/other", "host"),
        ("a.test", "host"),
        ("b.test/ns/app", "b"),
        ("docker.io/library/alpine", "library"),
        ("c.test/ns/app", "c"),
    ] {
        assert_eq!(found(&podman, name), basic(user, "x"), "{name}");
    }
    for name in ["b.test/other", "b.test", "docker.io/me/app"] {
        assert_eq!(found(&podman, name), Credentials::Anonymous, "{name}");
    }
    // Docker ignores the path of a key, but a key that matches the repository still takes precedence.
    let docker = docker(&json);
    assert_eq!(found(&docker, "a.test/ns/app"), basic("app", "x"));
    assert_eq!(found(&docker, "a.test/other"), basic("host", "x"));
    assert_eq!(found(&docker, "b.test/other"), basic("b", "x"));
}

#[test]
fn a_dockercfg_contains_the_entries_directly() {
    let json = format!(r#"{{"https://index.docker.io/v1/":{}}}"#, entry("a"));
    let file = file(CredentialFileFormat::Dockercfg, &json);
    assert_eq!(found(&file, "docker.io"), basic("a", "x"));
    assert_eq!(file.helper_for("docker.io"), None);
}

#[test]
fn a_helper_for_the_host_takes_precedence() {
    let file = docker(
        r#"{"auths":{"a.test":{}},"credsStore":"desktop",
            "credHelpers":{"gcr.test":"gcloud","https://index.docker.io/v1/":"hub","none.test":""}}"#,
    );
    let helper = |host| {
        file.helper_for(host)
            .map(|helper| (helper.name, helper.key))
    };
    assert_eq!(helper("gcr.test"), Some(("gcloud", Some("gcr.test"))));
    assert_eq!(
        helper("docker.io"),
        Some(("hub", Some("https://index.docker.io/v1/")))
    );
    assert_eq!(helper("a.test"), Some(("desktop", None)));
    assert_eq!(helper("none.test"), None);
    assert_eq!(docker(r#"{"credsStore":""}"#).helper_for("a.test"), None);
}

#[test]
fn empty_files_contain_no_credentials() {
    for json in ["", " \n", "{}", r#"{"auths":null}"#] {
        assert_eq!(found(&docker(json), "a.test"), Credentials::Anonymous);
    }
}

/// Fields that have nothing to do with credentials are not validated.
#[test]
fn other_fields_may_have_any_value() {
    let deep = "[".repeat(1000) + &"]".repeat(1000);
    let file = docker(&format!(
        r#"{{"proxies":{deep},"x":1e999,"auths":{{"a.test":{}}}}}"#,
        entry("a")
    ));
    assert_eq!(found(&file, "a.test"), basic("a", "x"));
}

/// As in Docker and podman, duplicate objects are merged, and the last of two entries is used.
#[test]
fn duplicate_objects_are_merged() {
    let file = docker(&format!(
        r#"{{"auths":{{"a.test":{},"a.test":{}}},"credHelpers":{{"c.test":"x"}},
            "auths":{{"b.test":{}}},"credHelpers":null}}"#,
        entry("old"),
        entry("a"),
        entry("b"),
    ));
    assert_eq!(found(&file, "a.test"), basic("a", "x"));
    assert_eq!(found(&file, "b.test"), basic("b", "x"));
    assert_eq!(file.helper_for("c.test").unwrap().name, "x");
}

/// I7: an error contains the path of a field, but not its value.
#[test]
fn errors_do_not_show_secrets() {
    for (json, expected) in [
        ("hunter2", "not valid JSON"),
        (r#"{"auths":{"a.test":{"auth":"hunter2"}"#, "not valid JSON"),
        (r#"["hunter2"]"#, "the file is not an object"),
        (r#"{"auths":"hunter2"}"#, "auths is not an object"),
        (
            r#"{"auths":{"a.test":"hunter2"}}"#,
            "auths.a.test is not an object",
        ),
        (
            r#"{"auths":{"https://me:hunter2@a.test":[]}}"#,
            "auths.…@a.test is not an object",
        ),
        (
            r#"{"auths":{"a.test":{"auth":["hunter2"]}}}"#,
            "auths.a.test.auth is not a string",
        ),
        (
            r#"{"auths":{"a.test":{"auth":"hunter2!"}}}"#,
            "the auth of a.test is not base64 of user:password",
        ),
        (
            r#"{"auths":{"a.test":{"auth":"aHVudGVyMg=="}}}"#,
            "the auth of a.test is not base64 of user:password",
        ),
        (
            r#"{"credsStore":{"hunter2":1}}"#,
            "credsStore is not a string",
        ),
        (
            r#"{"credHelpers":{"a.test":{"hunter2":1}}}"#,
            "credHelpers.a.test is not a string",
        ),
        (
            r#"{"credHelpers":["hunter2"]}"#,
            "credHelpers is not an object",
        ),
    ] {
        let error =
            CredentialFile::parse(CredentialFileFormat::Docker, json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

proptest! {
    #[test]
    fn never_panics(text in "([\\[\\]{}:,\"]|auths|auth|bWU6|credsStore|a\\.test|\\\\u00){0,30}") {
        for format in [CredentialFileFormat::Docker, CredentialFileFormat::Podman, CredentialFileFormat::Dockercfg] {
            let file = CredentialFile::parse(format, text.as_bytes());
            prop_assert!(file.is_err() || serde_json::from_str::<serde_json::Value>(&text).is_ok() || text.is_empty());
        }
    }
}
