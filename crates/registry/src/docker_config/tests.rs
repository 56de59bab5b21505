use super::*;

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic {
        username: username.to_owned(),
        password: Secret::new(password),
    }
}

fn config(json: &str) -> DockerConfig {
    DockerConfig::parse(json.as_bytes()).unwrap()
}

/// Every form of an entry.
#[test]
fn reads_every_form_of_credentials() {
    // "me:pass:word" and "me:pass" + NUL in base64.
    let config = config(
        r#"{
          "auths": {
            "a.test": {"auth": "bWU6cGFzczp3b3Jk"},
            "b.test:5000": {"auth": "bWU6cGFzcwA=", "email": "x"},
            "c.test": {"username": "you", "password": "secret"},
            "d.test": {"auth": "MDA6", "identitytoken": "refresh"},
            "e.test": {"registrytoken": "access"},
            "f.test": {},
            "g.test": {"auth": "bWU6cGFzczp3b3Jk===", "username": null}
          },
          "HttpHeaders": {"X": "y"}
        }"#
        .replace("===", "")
        .as_str(),
    );
    assert_eq!(config.credentials_for("a.test"), basic("me", "pass:word"));
    assert_eq!(config.credentials_for("b.test:5000"), basic("me", "pass"));
    assert_eq!(config.credentials_for("b.test"), Credentials::Anonymous);
    assert_eq!(config.credentials_for("c.test"), basic("you", "secret"));
    assert_eq!(
        config.credentials_for("d.test"),
        Credentials::IdentityToken(Secret::new("refresh"))
    );
    assert_eq!(
        config.credentials_for("e.test"),
        Credentials::RegistryToken(Secret::new("access"))
    );
    assert_eq!(config.credentials_for("f.test"), Credentials::Anonymous);
    assert_eq!(config.credentials_for("g.test"), basic("me", "pass:word"));
    assert_eq!(config.credentials_for("unheard.of"), Credentials::Anonymous);
}

#[test]
fn keys_may_have_a_scheme_and_a_path() {
    let entry = |user: &str| format!(r#"{{"username":"{user}","password":"x"}}"#);
    let config = config(&format!(
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
    assert_eq!(config.credentials_for("a.test"), basic("exact", "x"));
    assert_eq!(config.credentials_for("b.test:5000"), basic("scheme", "x"));
    assert_eq!(config.credentials_for("c.test"), basic("c", "x"));
    assert_eq!(config.credentials_for("docker.io"), basic("hub", "x"));
    assert_eq!(
        config.credentials_for("registry-1.docker.io"),
        basic("hub", "x")
    );
    assert_eq!(
        config.credentials_for("evil-a.test"),
        Credentials::Anonymous
    );
}

#[test]
fn docker_hub_goes_by_several_names() {
    for key in [
        "docker.io",
        "index.docker.io",
        "https://registry-1.docker.io/v2/",
    ] {
        let config = config(&format!(
            r#"{{"auths":{{"{key}":{{"username":"a","password":"b"}}}}}}"#
        ));
        assert_eq!(
            config.credentials_for("docker.io"),
            basic("a", "b"),
            "{key}"
        );
    }
}

#[test]
fn says_which_helper_would_be_asked() {
    let config = config(
        r#"{"auths":{"a.test":{}},"credsStore":"desktop","credHelpers":{"gcr.test":"gcloud"}}"#,
    );
    assert_eq!(config.helper_for("gcr.test"), Some("gcloud"));
    assert_eq!(config.helper_for("a.test"), Some("desktop"));
    assert_eq!(DockerConfig::default().helper_for("a.test"), None);
}

/// I7: an error names the place, and shows nothing of what is there.
#[test]
fn errors_do_not_show_secrets() {
    for (json, expected) in [
        ("hunter2", "not valid JSON"),
        (r#"["hunter2"]"#, "the config is not an object"),
        (r#"{"auths":"hunter2"}"#, "auths is not an object"),
        (
            r#"{"auths":{"a.test":"hunter2"}}"#,
            "auths.a.test is not an object",
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
    ] {
        let error = DockerConfig::parse(json.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
