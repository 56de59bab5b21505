//! The image config that the histories are converted to (S1-5, S1-6).

use serde_json::{Value, json};
use windlass_oci::{DiffId, Digest, Platform};

use crate::build::{app, blob, error_text, id, parse_payload, payload, payload_rejection, v1};

/// A container config without values, as Docker writes it.
const EMPTY_CONFIG: &str = concat!(
    r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"#,
    r#""AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"#,
    r#""Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"#,
    r#""OnBuild":null,"Labels":null}"#
);

/// Returns the payload of one layer whose v1 config has exactly this text as its members.
fn one(members: &str) -> Value {
    let text = format!(r#"{{"id":"{}",{members}}}"#, id('a'));
    let mut payload = payload(&[(blob("x"), json!({}))]);
    payload["history"][0]["v1Compatibility"] = json!(text);
    payload
}

fn diff_id() -> DiffId {
    DiffId::new(Digest::sha256("tar"))
}

/// Returns the image config of one layer, without the root file system.
fn config(members: &str) -> String {
    let manifest =
        parse_payload(&one(members)).unwrap_or_else(|error| panic!("{}", error_text(&error)));
    let config = String::from_utf8(manifest.config(&[diff_id()]).unwrap()).unwrap();
    let root_fs = format!(
        r#","rootfs":{{"type":"layers","diff_ids":["{}"]}}"#,
        diff_id()
    );
    assert!(config.contains(&root_fs), "{config}");
    config.replace(&root_fs, "")
}

/// S1-5
#[test]
fn histories_come_base_first() {
    let (a, b, c) = (id('a'), id('b'), id('c'));
    let top =
        json!({"created": "2016-01-01T00:00:03.50Z", "throwaway": true, "docker_version": "1.9.0"});
    let manifest = parse_payload(&payload(&[
        (blob("c"), v1(&c, &b, top)),
        (
            blob("b"),
            v1(
                &b,
                &a,
                json!({"created": "2016-01-01T00:00:02+01:00", "author": "A <a@b>",
            "comment": "& more", "container_config": {"Cmd": ["sh", "-c", "x > y"]}}),
            ),
        ),
        (
            blob("a"),
            v1(&a, "", json!({"container_config": {"Cmd": "one text"}})),
        ),
    ]))
    .unwrap();
    let (one, two) = (diff_id(), DiffId::new(Digest::sha256("other")));
    let config = String::from_utf8(manifest.config(&[one, two]).unwrap()).unwrap();
    let expected = concat!(
        r#"{"created":"2016-01-01T00:00:03.50Z","docker_version":"1.9.0","history":["#,
        r#"{"created":"0001-01-01T00:00:00Z","created_by":"one text"},"#,
        r#"{"created":"2016-01-01T00:00:02+01:00","author":"A \u003ca@b\u003e","#,
        r#""created_by":"sh -c x \u003e y","comment":"\u0026 more"},"#,
        r#"{"created":"2016-01-01T00:00:03.5Z","empty_layer":true}],"#,
    );
    let root_fs = format!(r#""rootfs":{{"type":"layers","diff_ids":["{one}","{two}"]}}}}"#);
    assert_eq!(config, format!("{expected}{root_fs}"));
}

/// S1-6
#[test]
fn members_of_v1_configs_only_are_dropped() {
    let dropped = r#""parent":"","Size":1e400,"parent_id":1,"layer_id":2,"throwaway":null,"#;
    let kept = r#""docker_version":"1.8.3","checksum":"x","size":3,"rootfs":1,"history":2"#;
    assert_eq!(
        config(&format!("{dropped}{kept}")),
        r#"{"checksum":"x","docker_version":"1.8.3","history":[{"created":"0001-01-01T00:00:00Z"}],"size":3}"#
    );
}

/// S1-6: before 1.8.3, unknown members are dropped, and missing ones get empty values.
#[test]
fn an_old_config_is_rewritten() {
    for members in [
        r#""x":1"#,
        r#""docker_version":"","config":null,"container_config":null,"author":"""#,
        r#""docker_version":null,"container_config":{}"#,
        r#""container_config":{"Env":null,"Cmd":null,"Volumes":null,"Memory":9,"Tty":null}"#,
        r#""container_config":{"Shell":[],"ExposedPorts":{},"MacAddress":"","ArgsEscaped":false}"#,
    ] {
        assert_eq!(
            config(members),
            format!(
                r#"{{"container_config":{EMPTY_CONFIG},"created":"0001-01-01T00:00:00Z","history":[{{"created":"0001-01-01T00:00:00Z"}}]}}"#
            ),
            "{members}"
        );
    }
}

/// S1-6: all fields of Docker 17.03 are kept, in the order of its struct.
#[test]
fn an_old_config_keeps_the_known_fields() {
    let config_in = r#"{
        "Shell": ["/bin/sh"], "StopTimeout": 0, "StopSignal": "TERM", "Labels": {"b": "<2>", "a": null},
        "OnBuild": [], "MacAddress": "00:01", "NetworkDisabled": true, "Entrypoint": "run",
        "WorkingDir": "/w", "Volumes": {"/b": {}, "/a": null}, "Image": "i", "ArgsEscaped": true,
        "Healthcheck": {"Retries": 3, "Timeout": 0, "Interval": 5000000000, "StartPeriod": 1, "Test": ["CMD"]},
        "Cmd": ["a", null, "&"], "Env": ["A=1"], "StdinOnce": true, "OpenStdin": true, "Tty": true,
        "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "AttachStderr": true, "AttachStdout": true,
        "AttachStdin": true, "User": "u", "Domainname": "d", "Hostname": "h", "Memory": 1, "Dns": null
    }"#;
    let config_out = concat!(
        r#"{"Hostname":"h","Domainname":"d","User":"u","AttachStdin":true,"AttachStdout":true,"#,
        r#""AttachStderr":true,"ExposedPorts":{"443/tcp":{},"80/tcp":{}},"Tty":true,"#,
        r#""OpenStdin":true,"StdinOnce":true,"Env":["A=1"],"Cmd":["a","","\u0026"],"#,
        r#""Healthcheck":{"Test":["CMD"],"Interval":5000000000,"Retries":3},"ArgsEscaped":true,"#,
        r#""Image":"i","Volumes":{"/a":{},"/b":{}},"WorkingDir":"/w","Entrypoint":["run"],"#,
        r#""NetworkDisabled":true,"MacAddress":"00:01","OnBuild":[],"#,
        r#""Labels":{"a":"","b":"\u003c2\u003e"},"StopSignal":"TERM","StopTimeout":0,"#,
        r#""Shell":["/bin/sh"]}"#,
    );
    let members = format!(
        r#""os":"linux","docker_version":"1.7.1","created":"2015-01-01T00:00:00.100Z","config":{config_in},
           "author":"\u003ca\u003e","architecture":"amd64","container":"c","comment":"\/","Size":5,"checksum":"x""#
    );
    let expected = [
        r#"{"architecture":"amd64","author":"\u003ca\u003e","comment":"/","config":"#,
        config_out,
        r#","container":"c","container_config":"#,
        EMPTY_CONFIG,
        r#","created":"2015-01-01T00:00:00.1Z","docker_version":"1.7.1","history":["#,
        r#"{"created":"2015-01-01T00:00:00.1Z","author":"\u003ca\u003e","comment":"/"}],"os":"linux"}"#,
    ]
    .concat();
    assert_eq!(config(&members), expected);
}

#[test]
fn a_malformed_old_config_is_rejected() {
    for (member, expected) in [
        (
            r#""Tty":"yes""#,
            "config.Tty: invalid type: string \"yes\", expected a boolean",
        ),
        (
            r#""Env":"A=1""#,
            "config.Env: invalid type: string \"A=1\", expected a sequence",
        ),
        (
            r#""tty":true"#,
            "config.tty: the key must be spelled \"Tty\"",
        ),
        (
            r#""Volumes":{"/a":1}"#,
            "config.Volumes./a: invalid type: integer `1`, expected a map",
        ),
        (
            r#""StopTimeout":1.5"#,
            "config.StopTimeout: invalid type: floating point `1.5`, expected i64",
        ),
    ] {
        assert_eq!(
            payload_rejection(&one(&format!(r#""config":{{{member}}}"#))),
            format!("history 0 of the schema 1 manifest: invalid v1 history: {expected}")
        );
    }
}

#[test]
fn a_malformed_time_is_rejected() {
    for (created, shown) in [
        ("yesterday", "yesterday"),
        ("", ""),
        ("2016-02-30T00:00:00Z", "2016-02-30T00:00:00Z"),
    ] {
        assert_eq!(
            payload_rejection(&one(&format!(r#""created":"{created}""#))),
            format!("history 0 of the schema 1 manifest: {shown:?} is not a time as in RFC 3339")
        );
    }
}

/// An empty image: Docker omits the empty list.
#[test]
fn an_image_without_layers_has_a_config() {
    let manifest =
        parse_payload(&one(r#""throwaway":true,"docker_version":"17.03.0-ce""#)).unwrap();
    assert_eq!(
        String::from_utf8(manifest.config(&[]).unwrap()).unwrap(),
        concat!(
            r#"{"docker_version":"17.03.0-ce","#,
            r#""history":[{"created":"0001-01-01T00:00:00Z","empty_layer":true}],"#,
            r#""rootfs":{"type":"layers"}}"#
        )
    );
}

#[test]
fn the_number_of_diff_ids_must_be_that_of_the_layers() {
    let manifest = parse_payload(&app()).unwrap();
    for diff_ids in [&[][..], &[diff_id()], &[diff_id(); 3]] {
        assert_eq!(
            error_text(&manifest.config(diff_ids).unwrap_err()),
            format!("{} diff IDs were given for 2 layers", diff_ids.len())
        );
    }
}

#[test]
fn the_platform_is_that_of_manifest_and_top_history() {
    let platform = |architecture: Value, members: &str| {
        let mut payload = one(members);
        payload["architecture"] = architecture;
        parse_payload(&payload).unwrap().platform().clone()
    };
    let arm = r#""architecture":"arm","os":"freebsd","variant":"v6""#;
    assert_eq!(
        platform(json!("arm"), arm),
        Platform::new("freebsd", "arm", Some("v6"))
    );
    assert_eq!(
        platform(json!(null), arm),
        Platform::new("freebsd", "arm", Some("v6"))
    );
    assert_eq!(
        platform(json!("s390x"), r#""x":1"#),
        Platform::new("linux", "s390x", None)
    );
    assert_eq!(
        platform(json!(""), r#""x":1"#),
        Platform::new("linux", "amd64", None)
    );
}
