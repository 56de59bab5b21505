//! I7: where a secret is not.

use std::fs;

use windlass_credentials::{CredentialLocations, CredentialStore};
use windlass_registry::Secret;

use crate::support::{User, chain, door, login};

/// Anybody on the machine can read the arguments of a program, and its user its environment.
#[test]
fn a_helper_is_told_the_secret_by_standard_input_only() {
    let user = User::new();
    user.helper(
        "keeper",
        r#"cat > "$D/told"
        cat /proc/$$/cmdline /proc/$$/environ > "$D/seen"
        for process in /proc/[0-9]*; do cat $process/cmdline; done >> "$D/seen" 2>/dev/null
        exit 0"#,
    );
    user.docker(r#"{"credsStore":"keeper"}"#);
    // One that nobody else on this machine has.
    let secret = format!("hunter2-{}-{:p}", std::process::id(), &raw const user);
    user.keys().store("a.test", &login("me", &secret)).unwrap();

    let told = fs::read_to_string(user.bin("told")).unwrap();
    assert!(told.contains(&secret));
    let seen = fs::read(user.bin("seen")).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("docker-credential-keeper\0store\0"), "{seen}");
    assert!(!seen.contains(&secret));
}

#[test]
fn debug_shows_no_secret() {
    let user = User::new();
    user.helper("keeper", r#"echo '{"Username":"me","Secret":"hunter2"}'"#);
    user.docker(
        r#"{"credHelpers":{"b.test":"keeper"},
            "auths":{"a.test":{"auth":"bWU6aHVudGVyMg=="},"c.test":{"identitytoken":"hunter2"}}}"#,
    );
    let places = CredentialLocations {
        text: Some(Secret::new(
            r#"{"auths":{"d.test":{"registrytoken":"hunter2"}}}"#,
        )),
        ..user.places()
    };
    let keys = CredentialStore::new(places, user.helpers());
    let mut shown = vec![format!("{keys:?} {:?}", login("me", "hunter2"))];
    for host in ["a.test", "b.test", "c.test", "d.test"] {
        let found = keys.lookup(&door(host)).unwrap();
        let source = keys.source_of(&door(host)).unwrap();
        shown.push(format!("{found:?} {source:?}"));
    }
    shown.push(format!("{keys:?}"));
    let shown = shown.concat();
    assert!(shown.contains("[hidden]"));
    for secret in ["hunter2", "bWU6aHVudGVyMg"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// What a helper says at a login may be what it was told.
#[test]
fn a_helper_that_fails_cannot_tell_the_secret() {
    let user = User::new();
    user.helper("keeper", "cat >&2; exit 1");
    user.docker(r#"{"credsStore":"keeper"}"#);
    let error = user
        .keys()
        .store("a.test", &login("me", "hunter2"))
        .unwrap_err();
    let shown = format!("{error:?} {}", chain(&user, &error));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.ends_with("failed with exit status: 1"), "{shown}");
}
