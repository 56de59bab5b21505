use super::*;
use crate::Digest;

fn diff_id(name: &str) -> DiffId {
    DiffId::new(Digest::sha256(name))
}

/// Returns a config with one layer and these fields before it.
fn config(fields: &str) -> String {
    let layer = diff_id("layer");
    format!(r#"{{{fields}"rootfs":{{"type":"layers","diff_ids":["{layer}"]}}}}"#)
}

fn parse(json: &str) -> ImageConfig {
    ImageConfig::parse(json.as_bytes()).unwrap_or_else(|error| panic!("{error:?} in {json}"))
}

fn rejection(json: &str) -> String {
    let error = ImageConfig::parse(json.as_bytes()).expect_err("the config was accepted");
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[test]
fn reads_every_field() {
    let read = parse(&config(
        r#""created":"2026-01-02T03:04:05Z","author":"me","architecture":"arm","variant":"v6","os":"linux","os.features":["f"],
        "config":{"User":"1:2","Env":["A=b","C="],"Entrypoint":["/e"],"Cmd":["-c"],"WorkingDir":"/w",
            "Labels":{"k":"v"},"ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}},"StopSignal":"SIGINT",
            "Shell":["sh"],"OnBuild":["RUN x"],"Healthcheck":{"Interval":1e400}},
        "history":[{"created":"c","created_by":"by","author":"a","comment":"m"},{"empty_layer":true}],"#,
    ));
    let text = |text: &str| Some(text.to_owned());
    let list = |text: &str| vec![text.to_owned()];
    let expected = ImageConfig {
        created: text("2026-01-02T03:04:05Z"),
        author: text("me"),
        architecture: "arm".to_owned(),
        os: "linux".to_owned(),
        variant: text("v6"),
        os_version: None,
        os_features: list("f"),
        config: Some(RuntimeConfig {
            user: text("1:2"),
            env: vec!["A=b".to_owned(), "C=".to_owned()],
            entrypoint: Some(list("/e")),
            cmd: Some(list("-c")),
            working_dir: text("/w"),
            labels: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
            exposed_ports: list("80/tcp"),
            volumes: list("/data"),
            stop_signal: text("SIGINT"),
            shell: Some(list("sh")),
            on_build: list("RUN x"),
        }),
        rootfs: RootFs {
            kind: "layers".to_owned(),
            diff_ids: vec![diff_id("layer")],
        },
        history: vec![
            History {
                created: text("c"),
                created_by: text("by"),
                author: text("a"),
                comment: text("m"),
                empty_layer: false,
            },
            History {
                empty_layer: true,
                ..History::default()
            },
        ],
    };
    assert_eq!(read, expected);
    assert_eq!(read.platform().to_string(), "linux/arm/v6");
}

/// T20, C10: a field that is `null` or of the wrong type is treated as absent.
#[test]
fn malformed_fields_are_treated_as_absent() {
    let plain = parse(&config(""));
    for fields in [
        r#""config":null,"history":null,"created":null,"os":null,"#,
        r#""config":[],"history":{},"created":5,"os":[],"variant":{},"#,
        r#""config":["root"],"history":0,"author":false,"#,
        r#""config":"","history":"","os.version":1e400,"#,
        r#""config":7,"architecture":-1,"size":1e400,"#,
    ] {
        assert_eq!(parse(&config(fields)), plain, "{fields}");
    }
    let odd = parse(&config(
        r#""config":{"User":5,"Env":["A=b",null,6],"Cmd":"run","Entrypoint":null,"Labels":{"a":null,"b":"c"},
           "Volumes":{"../../canary":{}},"ExposedPorts":[]},"history":[null,"x",{"created_by":1}],"#,
    ));
    let expected = RuntimeConfig {
        env: vec!["A=b".to_owned(), String::new(), String::new()],
        cmd: Some(vec!["run".to_owned()]),
        labels: BTreeMap::from([
            ("a".to_owned(), String::new()),
            ("b".to_owned(), "c".to_owned()),
        ]),
        volumes: vec!["../../canary".to_owned()],
        ..RuntimeConfig::default()
    };
    assert_eq!(odd.config, Some(expected));
    assert_eq!(odd.history, vec![History::default(); 3]);
}

/// T20
#[test]
fn a_long_history_is_read() {
    let steps = vec![r#"{"created_by":"x"}"#; 100_000].join(",");
    let read = parse(&config(&format!(r#""history":[{steps}],"#)));
    assert_eq!(read.history.len(), 100_000);
    let steps = vec!["{}"; MAX_LIST + 1].join(",");
    let read = parse(&config(&format!(r#""history":[{steps}],"#)));
    assert_eq!(read.history, []);
}

/// S2-5, IM-4, T20
#[test]
fn the_root_file_system_is_read_strictly() {
    let layer = diff_id("layer");
    for (rootfs, expected) in [
        ("null", "rootfs: invalid type: null, expected an object"),
        ("[]", "rootfs: invalid type: sequence, expected an object"),
        (
            r#"{"diff_ids":["sha256:../x"]}"#,
            r#"rootfs.diff_ids[0]: invalid sha256 digest "../x": expected 64 lower-case hex digits"#,
        ),
        (
            r#"{"diff_ids":"x"}"#,
            r#"rootfs.diff_ids: invalid type: string "x", expected an array of at most 500 elements"#,
        ),
        (
            r#"{"diff_ids":[],"DIFF_IDS":[]}"#,
            r#"rootfs.DIFF_IDS: the key must be spelled "diff_ids""#,
        ),
        (
            &format!(
                r#"{{"diff_ids":[{}]}}"#,
                vec![format!("\"{layer}\""); 501].join(",")
            ),
            "rootfs.diff_ids: invalid length 501, expected an array of at most 500 elements",
        ),
    ] {
        let json = format!(r#"{{"rootfs":{rootfs}}}"#);
        assert_eq!(
            rejection(&json),
            format!("invalid image config: {expected}")
        );
    }
    assert_eq!(
        rejection("{}"),
        "invalid image config: the document: missing field `rootfs`"
    );
    assert_eq!(
        rejection(r#"{"rootfs":{"type":"layers+base"}}"#),
        "the image config's rootfs is of type \"layers+base\", not \"layers\""
    );
}

/// S2-8: an image without layers may omit the list.
#[test]
fn an_image_may_have_no_layers() {
    for rootfs in [
        r#"{"type":"layers"}"#,
        r#"{"type":"layers","diff_ids":null}"#,
        "{}",
    ] {
        assert_eq!(parse(&format!(r#"{{"rootfs":{rootfs}}}"#)).diff_ids(), []);
    }
}

/// T20, E11
#[test]
fn depth_and_size_are_bounded() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    assert_eq!(
        rejection(&config(&format!(r#""x":{deep},"#))),
        "invalid image config: nested deeper than 64 levels"
    );
    let open = "[".repeat(MAX_CONFIG_SIZE);
    assert_eq!(
        rejection(&open),
        "invalid image config: not JSON: EOF while parsing a list at line 1 column 4194304"
    );
    let large = config(&format!(r#""x":"{}","#, "x".repeat(MAX_CONFIG_SIZE)));
    assert_eq!(
        rejection(&large),
        format!(
            "the image config has {} bytes, more than the 4194304 allowed",
            large.len()
        )
    );
}

/// C13
#[test]
fn duplicate_keys_are_rejected() {
    assert_eq!(
        rejection(&config(r#""config":{"Labels":{"a":"1","a":"2"}},"#)),
        "invalid image config: config.Labels.a: duplicate key"
    );
}

/// MF-11: as in Docker, a config without a platform is for this machine.
#[test]
fn the_platform_is_normalized() {
    let platform = |fields: &str| parse(&config(fields)).platform().to_string();
    assert_eq!(
        platform(r#""os":"linux","architecture":"arm64","variant":"v8","#),
        "linux/arm64"
    );
    assert_eq!(
        platform(r#""os":"windows","architecture":"amd64","os.version":"10.0.1","#),
        "windows(10.0.1)/amd64"
    );
    let host = Platform::new("linux", std::env::consts::ARCH, None);
    assert_eq!(platform(""), host.to_string());
}

/// IM-11
#[test]
fn chain_ids_fold_the_layers_from_the_base_up() {
    let (base, top) = (diff_id("base"), diff_id("top"));
    let json = format!(r#"{{"rootfs":{{"diff_ids":["{base}","{top}"]}}}}"#);
    let chain = ChainId::stacked(None, &base);
    let expected = [chain, ChainId::stacked(Some(&chain), &top)];
    assert_eq!(parse(&json).chain_ids(), expected);
}
