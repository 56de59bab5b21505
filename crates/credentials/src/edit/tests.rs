use proptest::prelude::*;
use serde_json::{Map, Value};
use windlass_registry::{CredentialScope, Credentials, Secret};

use super::*;
use crate::entry::LoginSecret;
use crate::file::CredentialFile;

fn login(username: &str, password: &str) -> LoginCredentials {
    LoginCredentials {
        username: username.to_owned(),
        secret: LoginSecret::Password(Secret::new(password)),
    }
}

fn set_docker_entry(text: &str, host: &str, login: Option<&LoginCredentials>) -> String {
    String::from_utf8(
        set_entry(text.as_bytes(), CredentialFileFormat::Docker, host, login).unwrap(),
    )
    .unwrap()
}

fn lookup(bytes: &[u8], format: CredentialFileFormat, host: &str) -> Credentials {
    let file = CredentialFile::parse(format, bytes).unwrap();
    let scope = CredentialScope {
        host: host.to_owned(),
        repository: String::new(),
    };
    let found = file.find(&scope);
    found.map_or(Credentials::Anonymous, |found| found.credentials.clone())
}

#[test]
fn logins_are_written_in_dockers_format() {
    let me = login("me", "pass:word");
    assert_eq!(
        set_docker_entry("", "docker.io", Some(&me)),
        "{\n\t\"auths\": {\n\t\t\"https://index.docker.io/v1/\": {\n\t\t\t\"auth\": \"bWU6cGFzczp3b3Jk\"\n\t\t}\n\t}\n}"
    );
    let token = LoginCredentials {
        username: "me".to_owned(),
        secret: LoginSecret::IdentityToken(Secret::new("refresh")),
    };
    assert_eq!(
        set_docker_entry("{}", "a.test", Some(&token)),
        "{\n\t\"auths\": {\n\t\t\"a.test\": {\n\t\t\t\"auth\": \"bWU6\",\n\t\t\t\"identitytoken\": \"refresh\"\n\t\t}\n\t}\n}"
    );
    assert_eq!(
        set_docker_entry(r#"{"credsStore":"x"}"#, "a.test", None),
        "{\n\t\"credsStore\": \"x\",\n\t\"auths\": {\n\t\t\"a.test\": {}\n\t}\n}"
    );
}

#[test]
fn other_content_is_preserved_exactly() {
    let old = "{\n  \"z\": {\"b\":1.0,   \"a\":1e400},\n  \"auths\": {\n    \"b.test\": {\"auth\":  \"bWU6eA==\"},\n    \"a.test\": {\n      \"email\": \"me@a.test\",\n      \"auth\": \"bWU6b2xk\"\n    }\n  },\n  \"é\": \"\\u00e9\"\n}\n";
    let new = old.replace("bWU6b2xk", "bWU6eA==");
    assert_eq!(
        set_docker_entry(old, "a.test", Some(&login("me", "x"))),
        new
    );
    let RemovedEntries { bytes: left, keys } =
        remove_entries(old.as_bytes(), CredentialFileFormat::Docker, "a.test")
            .unwrap()
            .unwrap();
    assert_eq!(keys, ["a.test"]);
    assert_eq!(
        String::from_utf8(left).unwrap(),
        "{\n  \"z\": {\"b\":1.0,   \"a\":1e400},\n  \"auths\": {\n    \"b.test\": {\"auth\":  \"bWU6eA==\"}\n  },\n  \"é\": \"\\u00e9\"\n}\n"
    );
}

/// Readers of another form of the key must not find the old password.
#[test]
fn every_key_of_the_host_gets_the_login() {
    let old = r#"{"auths":{"docker.io":{"auth":"bWU6b2xk"},"docker.io/me":{"auth":"bWU6eA=="}}}"#;
    let new = set_entry(
        old.as_bytes(),
        CredentialFileFormat::Podman,
        "docker.io",
        Some(&login("me", "new")),
    )
    .unwrap();
    let new: Value = serde_json::from_slice(&new).unwrap();
    assert_eq!(
        new,
        serde_json::json!({"auths": {
            "docker.io": {"auth": "bWU6bmV3"},
            "docker.io/me": {"auth": "bWU6eA=="},
            "https://index.docker.io/v1/": {"auth": "bWU6bmV3"},
        }})
    );
}

#[test]
fn a_logout_removes_every_form_of_the_key() {
    let keys = [
        "a.test",
        "https://a.test",
        "http://a.test/",
        "https://a.test/v1/",
        "a.test/v2/",
        "a.test/ns",
        "A.TEST",
    ];
    let others = ["b.test", "a.test:5000", "https://evil-a.test"];
    let auths: Map<String, Value> = keys
        .iter()
        .chain(&others)
        .map(|key| ((*key).to_owned(), serde_json::json!({"auth": "bWU6eA=="})))
        .collect();
    let text = serde_json::json!({ "auths": auths }).to_string();

    let RemovedEntries {
        bytes: left,
        keys: mut removed,
    } = remove_entries(text.as_bytes(), CredentialFileFormat::Docker, "a.test")
        .unwrap()
        .unwrap();

    let mut expected = keys.map(str::to_owned);
    expected.sort();
    removed.sort();
    assert_eq!(removed, expected);
    assert!(
        remove_entries(&left, CredentialFileFormat::Docker, "a.test")
            .unwrap()
            .is_none()
    );
    let left: Value = serde_json::from_slice(&left).unwrap();
    let left: Vec<&str> = left["auths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(left, ["a.test:5000", "b.test", "https://evil-a.test"]);

    // podman interprets a path as a namespace, which has a login of its own.
    let RemovedEntries { bytes: left, .. } =
        remove_entries(text.as_bytes(), CredentialFileFormat::Podman, "a.test")
            .unwrap()
            .unwrap();
    let left: Value = serde_json::from_slice(&left).unwrap();
    assert!(left["auths"].get("a.test/ns").is_some());
}

#[test]
fn a_dockercfg_has_no_auths() {
    let new = set_entry(
        b"{\"b.test\":{}}",
        CredentialFileFormat::Dockercfg,
        "a.test",
        Some(&login("me", "x")),
    );
    let new = new.unwrap();
    assert_eq!(
        String::from_utf8(new.clone()).unwrap(),
        "{\n\t\"b.test\": {},\n\t\"a.test\": {\n\t\t\t\"auth\": \"bWU6eA==\"\n\t\t}\n}"
    );
    let RemovedEntries { bytes: left, .. } =
        remove_entries(&new, CredentialFileFormat::Dockercfg, "a.test")
            .unwrap()
            .unwrap();
    assert_eq!(left, b"{\n\t\"b.test\": {}\n}");
}

/// No old password is left in an object that is hidden by another one of the same name.
#[test]
fn duplicate_objects_are_merged() {
    let old = r#"{"auths":{"a.test":{"auth":"b2xkOm9sZA=="}},"auths":{"b.test":{},"a.test":{"auth":"b2xkOm9sZA=="}}}"#;
    assert_eq!(
        set_docker_entry(old, "a.test", Some(&login("me", "x"))),
        "{\n\t\"auths\": {\n\t\t\"b.test\": {},\n\t\t\"a.test\": {\n\t\t\t\"auth\": \"bWU6eA==\"\n\t\t}\n\t}\n}"
    );
    let RemovedEntries { bytes: left, .. } =
        remove_entries(old.as_bytes(), CredentialFileFormat::Docker, "a.test")
            .unwrap()
            .unwrap();
    assert_eq!(
        String::from_utf8(left).unwrap(),
        "{\n\t\"auths\": {\n\t\t\"b.test\": {}\n\t}\n}"
    );
}

#[test]
fn invalid_files_are_not_changed() {
    for text in ["{", "[]", r#"{"auths":[]}"#] {
        assert!(
            set_entry(
                text.as_bytes(),
                CredentialFileFormat::Docker,
                "a.test",
                None
            )
            .is_err()
        );
        assert!(remove_entries(text.as_bytes(), CredentialFileFormat::Docker, "a.test").is_err());
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A config file with valid `auths` and arbitrary other fields.
fn any_config() -> impl Strategy<Value = Value> {
    let fields = prop::collection::btree_map("[a-zA-Z\\PC]{0,6}", any_json(), 0..5);
    let entry = ("[a-z]{1,5}", "[a-z:]{0,5}", any::<bool>()).prop_map(|(user, password, email)| {
        let auth = entry::write(None, Some(&login(&user, &password)), &JsonStyle::of(b""));
        let mut entry: Value = serde_json::from_str(auth.get()).unwrap();
        if email {
            entry["email"] = Value::from("x@y");
        }
        entry
    });
    let auths = prop::collection::btree_map("(https://)?[a-e]\\.test(:1)?(/v1/|/ns)?", entry, 0..6);
    (fields, prop::option::of(auths)).prop_map(|(fields, auths)| {
        let mut config: Map<String, Value> = fields.into_iter().collect();
        if let Some(auths) = auths {
            config.insert(
                "auths".to_owned(),
                Value::Object(auths.into_iter().collect()),
            );
        }
        Value::Object(config)
    })
}

/// Returns `config` without the entries for `host`.
fn others(mut config: Value, host: &str) -> Value {
    if let Some(auths) = config.get_mut("auths").and_then(Value::as_object_mut) {
        auths.retain(|key, _| !key::is_for_host(key, CredentialFileFormat::Docker, host));
        if auths.is_empty() {
            config.as_object_mut().unwrap().remove("auths");
        }
    }
    config
}

proptest! {
    #[test]
    fn stored_logins_are_found_and_other_content_is_preserved(
        config in any_config(),
        host in "[a-g]\\.test(:1)?|docker\\.io",
        username in "[^:\\p{Cc}]{1,12}",
        secret in "[^\\p{Cc}]{0,20}",
        is_token in any::<bool>(),
        is_pretty in any::<bool>(),
    ) {
        let old = if is_pretty { format!("{config:#}") } else { config.to_string() };
        let secret = Secret::new(if is_token { secret + "x" } else { secret });
        let secret = if is_token { LoginSecret::IdentityToken(secret) } else { LoginSecret::Password(secret) };
        let login = LoginCredentials { username, secret };
        prop_assert!(login.check().is_ok());

        let stored = set_entry(old.as_bytes(), CredentialFileFormat::Docker, &host, Some(&login)).unwrap();
        prop_assert_eq!(lookup(&stored, CredentialFileFormat::Docker, &host), login.credentials());
        let read: Value = serde_json::from_slice(&stored).unwrap();
        prop_assert_eq!(others(read, &host), others(config.clone(), &host));
        // Storing the same again changes nothing.
        let again = set_entry(&stored, CredentialFileFormat::Docker, &host, Some(&login)).unwrap();
        prop_assert_eq!(&again, &stored);

        let RemovedEntries { bytes: left, .. } = remove_entries(&stored, CredentialFileFormat::Docker, &host).unwrap().unwrap();
        prop_assert_eq!(lookup(&left, CredentialFileFormat::Docker, &host), Credentials::Anonymous);
        let read: Value = serde_json::from_slice(&left).unwrap();
        prop_assert_eq!(others(read, &host), others(config, &host));
    }
}
