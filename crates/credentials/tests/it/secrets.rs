//! I7: tests that secrets do not leak.

use std::fs;

use windlass_credentials::{CredentialLocations, CredentialStore};
use windlass_registry::Secret;

use crate::support::{User, chain, login, scope};

/// Every user of the machine can read the arguments of a program, and its own user can read its environment.
#[test]
fn secrets_are_passed_to_helpers_on_standard_input_only() {
    let user = User::new();
    user.helper(
        "keeper",
        r#"cat > "$D/input"
        cat /proc/$$/cmdline /proc/$$/environ > "$D/visible"
        for process in /proc/[0-9]*; do cat $process/cmdline; done >> "$D/visible" 2>/dev/null
        exit 0"#,
    );
    user.docker(r#"{"credsStore":"keeper"}"#);
    // A secret that does not occur in any other process.
    let secret = format!("hunter2-{}-{:p}", std::process::id(), &raw const user);
    user.store().store("a.test", &login("me", &secret)).unwrap();

    let input = fs::read_to_string(user.bin("input")).unwrap();
    assert!(input.contains(&secret));
    let visible = fs::read(user.bin("visible")).unwrap();
    let visible = String::from_utf8_lossy(&visible);
    assert!(
        visible.contains("docker-credential-keeper\0store\0"),
        "{visible}"
    );
    assert!(!visible.contains(&secret));
}

#[test]
fn debug_output_contains_no_secret() {
    let user = User::new();
    user.helper("keeper", r#"echo '{"Username":"me","Secret":"hunter2"}'"#);
    user.docker(
        r#"{"credHelpers":{"b.test":"keeper"},
            "auths":{"a.test":{"auth":"bWU6aHVudGVyMg=="},"c.test":{"identitytoken":"hunter2"}}}"#,
    );
    let locations = CredentialLocations {
        text: Some(Secret::new(
            r#"{"auths":{"d.test":{"registrytoken":"hunter2"}}}"#,
        )),
        ..user.locations()
    };
    let store = CredentialStore::new(locations, user.helpers());
    let mut shown = vec![format!("{store:?} {:?}", login("me", "hunter2"))];
    for host in ["a.test", "b.test", "c.test", "d.test"] {
        let found = store.lookup(&scope(host)).unwrap();
        let source = store.source_of(&scope(host)).unwrap();
        shown.push(format!("{found:?} {source:?}"));
    }
    shown.push(format!("{store:?}"));
    let shown = shown.concat();
    assert!(shown.contains("[hidden]"));
    for secret in ["hunter2", "bWU6aHVudGVyMg"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// A helper may print its input when it fails.
#[test]
fn the_error_of_a_failing_helper_contains_no_secret() {
    let user = User::new();
    user.helper("keeper", "cat >&2; exit 1");
    user.docker(r#"{"credsStore":"keeper"}"#);
    let error = user
        .store()
        .store("a.test", &login("me", "hunter2"))
        .unwrap_err();
    let shown = format!("{error:?} {}", chain(&user, &error));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(
        chain(&user, &error),
        "cannot store the credentials for a.test with docker-credential-keeper, configured in ~/.docker/config.json: \
         failed with exit status: 1"
    );
}
