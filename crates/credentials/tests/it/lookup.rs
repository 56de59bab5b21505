//! Which place counts.

use windlass_credentials::{
    CredentialLocation, CredentialLocations, CredentialSource, CredentialStore,
};
use windlass_registry::{Credentials, Secret};

use crate::support::{User, basic, chain, door};

/// A file with a login of `user` at `host`.
fn auths(host: &str, user: &str) -> String {
    format!(r#"{{"auths":{{"{host}":{{"username":"{user}","password":"x"}}}}}}"#)
}

#[test]
fn the_first_place_that_has_something_counts() {
    let user = User::new();
    let places = CredentialLocations {
        explicit: Some(user.home("named.json")),
        text: Some(Secret::new(auths("a.test", "text"))),
        runtime: Some(user.home("run")),
        ..user.places()
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
    let found = |places: &CredentialLocations| {
        let keys = CredentialStore::new(places.clone(), user.helpers());
        keys.lookup(&door("a.test/app")).unwrap()
    };
    assert_eq!(found(&places), basic("named", "x"));
    user.file("named.json", empty);
    assert_eq!(found(&places), basic("text", "x"));
    let places = CredentialLocations {
        text: Some(Secret::new(empty)),
        ..places
    };
    assert_eq!(found(&places), basic("docker", "x"));
    user.docker(empty);
    assert_eq!(found(&places), basic("runtime", "x"));
    user.file("run/containers/auth.json", empty);
    assert_eq!(found(&places), basic("config", "x"));
    user.file(".config/containers/auth.json", empty);
    assert_eq!(found(&places), basic("dockercfg", "x"));
    user.file(".dockercfg", "{}");
    assert_eq!(found(&places), Credentials::Anonymous);
}

/// What is not needed is not read: it cannot be in the way.
#[test]
fn a_broken_file_behind_the_one_that_counts_is_no_matter() {
    let user = User::new();
    user.docker(&auths("a.test", "me"));
    user.file(".dockercfg", "{");
    let keys = user.keys();
    assert_eq!(keys.lookup(&door("a.test")).unwrap(), basic("me", "x"));
    let error = keys.lookup(&door("b.test")).unwrap_err();
    assert_eq!(
        chain(&user, &error),
        "cannot use the credentials in ~/.dockercfg: not valid JSON: EOF while parsing an object at line 1 column 1"
    );
}

#[test]
fn a_helper_that_has_nothing_leaves_the_entries() {
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
    let keys = user.keys();
    for (host, expected) in [
        ("a.test", basic("helper", "x")),
        ("b.test", basic("entry", "x")),
        ("c.test", basic("podman", "x")),
        ("d.test", Credentials::Anonymous),
    ] {
        assert_eq!(keys.lookup(&door(host)).unwrap(), expected, "{host}");
    }
}

#[test]
fn a_helper_knows_docker_hub_by_dockers_name() {
    let user = User::new();
    user.helper(
        "hub",
        r#"printf '{"Username":"%s","Secret":"x"}' "$(cat) $1""#,
    );
    user.docker(r#"{"credHelpers":{"docker.io":"hub","a.test:5000":"hub"}}"#);
    let keys = user.keys();
    for (host, asked) in [
        ("docker.io", "https://index.docker.io/v1/ get"),
        ("a.test:5000", "a.test:5000 get"),
    ] {
        assert_eq!(keys.lookup(&door(host)).unwrap(), basic(asked, "x"));
    }
    assert_eq!(
        keys.lookup(&door("a.test")).unwrap(),
        Credentials::Anonymous
    );
}

#[test]
fn sources_are_told_without_asking_anybody() {
    let user = User::new();
    user.docker(
        r#"{"credHelpers":{"a.test":"missing"},"auths":{"https://b.test/v1/":{"auth":"bWU6aHVudGVyMg=="}}}"#,
    );
    user.file(".config/containers/auth.json", r#"{"credsStore":"all"}"#);
    let keys = user.keys();
    let source = |host| keys.source_of(&door(host)).unwrap().unwrap();
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
    assert_eq!(User::new().keys().source_of(&door("a.test")).unwrap(), None);
}
