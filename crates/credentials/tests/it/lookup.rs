//! Tests of the order in which locations are searched.

use windlass_credentials::{
    CredentialLocation, CredentialLocations, CredentialSource, CredentialStore,
};
use windlass_registry::{Credentials, Secret};

use crate::support::{User, basic, chain, scope};

/// Returns a file with a login of `user` at `host`.
fn auths(host: &str, user: &str) -> String {
    format!(r#"{{"auths":{{"{host}":{{"username":"{user}","password":"x"}}}}}}"#)
}

#[test]
fn the_first_location_with_credentials_is_used() {
    let user = User::new();
    let locations = CredentialLocations {
        explicit: Some(user.home("named.json")),
        text: Some(Secret::new(auths("a.test", "text"))),
        runtime: Some(user.home("run")),
        ..user.locations()
    };
    user.file("named.json", &auths("a.test", "named"));
    user.docker(&auths("a.test", "docker"));
    user.file("run/containers/auth.json", &auths("a.test", "runtime"));
    user.file(".config/containers/auth.json", &auths("a.test", "config"));
    user.file(
        ".dockercfg",
        r#"{"a.test":{"username":"dockercfg","password":"x"}}"#,
    );
    let empty = r#"{"auths":{"a.test":{},"b.test":{"username":"b","password":"x"}}}"#;
    let found = |locations: &CredentialLocations| {
        let store = CredentialStore::new(locations.clone(), user.helpers());
        store.lookup(&scope("a.test/app")).unwrap()
    };
    assert_eq!(found(&locations), basic("named", "x"));
    user.file("named.json", empty);
    assert_eq!(found(&locations), basic("text", "x"));
    let locations = CredentialLocations {
        text: Some(Secret::new(empty)),
        ..locations
    };
    assert_eq!(found(&locations), basic("docker", "x"));
    user.docker(empty);
    assert_eq!(found(&locations), basic("runtime", "x"));
    user.file("run/containers/auth.json", empty);
    assert_eq!(found(&locations), basic("config", "x"));
    user.file(".config/containers/auth.json", empty);
    assert_eq!(found(&locations), basic("dockercfg", "x"));
    user.file(".dockercfg", "{}");
    assert_eq!(found(&locations), Credentials::Anonymous);
}

/// A file that is not needed is not read.
#[test]
fn an_invalid_file_in_a_later_location_is_ignored() {
    let user = User::new();
    user.docker(&auths("a.test", "me"));
    user.file(".dockercfg", "{");
    let store = user.store();
    assert_eq!(store.lookup(&scope("a.test")).unwrap(), basic("me", "x"));
    let error = store.lookup(&scope("b.test")).unwrap_err();
    assert_eq!(
        chain(&user, &error),
        "cannot use the credentials in ~/.dockercfg: not valid JSON: EOF while parsing an object at line 1 column 1"
    );
}

#[test]
fn entries_are_used_if_the_helper_has_no_credentials() {
    let user = User::new();
    user.helper(
        "some",
        r#"read host
        case $host in
            a.test) echo '{"ServerURL":"a.test","Username":"helper","Secret":"x"}' ;;
            *) echo 'credentials not found in native keychain'; exit 1 ;;
        esac"#,
    );
    user.docker(
        r#"{"credsStore":"some","auths":{
            "a.test":{"username":"entry","password":"x"},
            "b.test":{"username":"entry","password":"x"}
        }}"#,
    );
    user.file(".config/containers/auth.json", &auths("c.test", "podman"));
    let store = user.store();
    for (host, expected) in [
        ("a.test", basic("helper", "x")),
        ("b.test", basic("entry", "x")),
        ("c.test", basic("podman", "x")),
        ("d.test", Credentials::Anonymous),
    ] {
        assert_eq!(store.lookup(&scope(host)).unwrap(), expected, "{host}");
    }
}

#[test]
fn helpers_receive_dockers_name_of_docker_hub() {
    let user = User::new();
    user.helper(
        "hub",
        r#"printf '{"Username":"%s","Secret":"x"}' "$(cat) $1""#,
    );
    user.docker(r#"{"credHelpers":{"docker.io":"hub","a.test:5000":"hub"}}"#);
    let store = user.store();
    for (host, username) in [
        ("docker.io", "https://index.docker.io/v1/ get"),
        ("a.test:5000", "a.test:5000 get"),
    ] {
        assert_eq!(store.lookup(&scope(host)).unwrap(), basic(username, "x"));
    }
    assert_eq!(
        store.lookup(&scope("a.test")).unwrap(),
        Credentials::Anonymous
    );
}

#[test]
fn sources_are_returned_without_running_a_helper() {
    let user = User::new();
    user.docker(
        r#"{"credHelpers":{"a.test":"missing"},"auths":{"https://b.test/v1/":{"auth":"bWU6aHVudGVyMg=="}}}"#,
    );
    user.file(".config/containers/auth.json", r#"{"credsStore":"all"}"#);
    let store = user.store();
    let source = |host| store.source_of(&scope(host)).unwrap().unwrap();
    let docker = || CredentialLocation::File(user.home(".docker/config.json"));
    assert!(matches!(
        source("a.test"),
        CredentialSource::Helper { name, place, for_all: false } if name.to_string() == "missing" && place == docker()
    ));
    assert!(matches!(
        source("b.test/app"),
        CredentialSource::Entry { place, key } if key.to_string() == "https://b.test/v1/" && place == docker()
    ));
    assert!(matches!(
        source("c.test"),
        CredentialSource::Helper { name, for_all: true, .. } if name.to_string() == "all"
    ));
    assert_eq!(
        User::new().store().source_of(&scope("a.test")).unwrap(),
        None
    );
}
