use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn changed(changes: &[&str]) -> Value {
    let mut config = ContainerConfig::default();
    for change in changes {
        config.change(change).unwrap();
    }
    serde_json::to_value(config).unwrap()
}

fn rejected(change: &str) -> String {
    ContainerConfig::default()
        .change(change)
        .unwrap_err()
        .to_string()
}

#[test]
fn commands_have_two_forms() {
    let expected =
        json!({"Cmd": ["/bin/sh", "-c", "echo $HOME | cat"], "Entrypoint": ["/bin/app", "a b"]});
    let config = changed(&[r#"entrypoint ["/bin/app", "a b"]"#, "CMD echo $HOME | cat"]);
    assert_eq!(config, expected);
    assert_eq!(changed(&["CMD [\"a\"]", "CMD []"]), json!({}));
    let config = changed(&[r"CMD ['a']"]);
    assert_eq!(
        config["Cmd"],
        json!(["/bin/sh", "-c", "['a']"]),
        "text that is not JSON is for the shell"
    );
}

#[test]
fn variables_and_labels_are_quoted_as_in_a_dockerfile() {
    let config = changed(&[
        r#"ENV A=1 B="two words" C='$A' D=a\ b E="$A-${B}" F=\"q\""#,
        "ENV G all of  the rest",
        r#"ENV H "quoted""#,
        "ENV A=again",
        "LABEL a.b=1 \"c d\"=\"e=f\" note=${B}",
        "LABEL old form",
    ]);
    let env = [
        "A=again",
        "B=two words",
        "C=$A",
        "D=a b",
        "E=-",
        "F=\"q\"",
        "G=all of  the rest",
        "H=quoted",
    ];
    assert_eq!(config["Env"], json!(env));
    assert_eq!(
        config["Labels"],
        json!({"a.b": "1", "c d": "e=f", "note": "two words", "old": "form"})
    );
}

/// A variable is visible to later instructions, but not to the one that sets it.
#[test]
fn variables_of_earlier_instructions_are_expanded() {
    let config = changed(&[
        "ENV A=1 EMPTY=",
        "ENV B=$A C=${A:-x} D=${NONE:-d$A} E=${NONE-} F=${A:+set} G=${EMPTY:-x} H=${EMPTY-x} I=$NONE. J=${NONE+y}",
        "WORKDIR /srv/$A",
        "WORKDIR b/../c",
        "USER \"${A}\":$A",
        "EXPOSE 8${A} $NONE",
        "VOLUME /v$A \"/w w\"",
        "ENV P=$",
    ]);
    let env = [
        "A=1", "EMPTY=", "B=1", "C=1", "D=d1", "E=", "F=set", "G=x", "H=", "I=.", "J=", "P=$",
    ];
    assert_eq!(config["Env"], json!(env));
    assert_eq!(config["WorkingDir"], "/srv/1/c");
    assert_eq!(config["User"], "1:1");
    assert_eq!(config["ExposedPorts"], json!({"81/tcp": {}}));
    assert_eq!(config["Volumes"], json!({"/v1": {}, "/w w": {}}));
}

#[test]
fn ports_signals_volumes_and_triggers() {
    let config = changed(&[
        "EXPOSE 80 443/TCP 53/udp 8000-8002",
        "STOPSIGNAL SIGRTMIN+3",
        "stopsignal sigquit",
        r#"VOLUME ["/data", "/with space"]"#,
        "ONBUILD RUN make $X",
        "ONBUILD copy . /src",
        "WORKDIR rel",
    ]);
    let ports = [
        "443/tcp", "53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp",
    ];
    let ports: Vec<_> = config["ExposedPorts"]
        .as_object()
        .unwrap()
        .keys()
        .zip(ports)
        .collect();
    assert!(
        ports.len() == 6 && ports.iter().all(|(is, expected)| is == expected),
        "{ports:?}"
    );
    assert_eq!(config["StopSignal"], "sigquit");
    assert_eq!(config["Volumes"], json!({"/data": {}, "/with space": {}}));
    assert_eq!(config["OnBuild"], json!(["RUN make $X", "copy . /src"]));
    assert_eq!(config["WorkingDir"], "/rel");
}

#[test]
fn health_checks_are_parsed() {
    let config = changed(&[
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --retries=3 CMD curl -f http://localhost/",
    ]);
    let expected = json!({
        "Test": ["CMD-SHELL", "curl -f http://localhost/"],
        "Interval": 90_000_000_000u64, "Timeout": 1_500_000_000u64, "Retries": 3,
    });
    assert_eq!(config["Healthcheck"], expected);
    let config =
        changed(&[r#"healthcheck --start-period=0 --start-interval=250ms cmd ["ok", "x"]"#]);
    let expected = json!({"Test": ["CMD", "ok", "x"], "StartInterval": 250_000_000});
    assert_eq!(config["Healthcheck"], expected);
    let config = changed(&["HEALTHCHECK NONE"]);
    assert_eq!(config["Healthcheck"], json!({"Test": ["NONE"]}));
}

#[test]
fn several_lines_are_several_instructions() {
    let config = changed(&["# a remark\n\nENV A=1 \\\n  B=2\nUSER me\n"]);
    assert_eq!(config, json!({"Env": ["A=1", "B=2"], "User": "me"}));
    assert_eq!(changed(&["", "#"]), json!({}));
}

#[test]
fn errors_are_one_line() {
    let errors = [
        "RUN make",
        "CMD",
        r#"CMD ["a", 1]"#,
        "ENV A=1 B",
        "ENV A",
        "ENV =x",
        "ENV A=\"open",
        "ENV A='open",
        "ENV A=${open",
        "ENV A=${B:?x}",
        "EXPOSE http",
        "EXPOSE 0",
        "EXPOSE 1-65536",
        "EXPOSE 9-8",
        "EXPOSE 80/icmp",
        "STOPSIGNAL STOPIT",
        "STOPSIGNAL 65",
        "USER \"\"",
        "VOLUME \"\"",
        "ONBUILD ONBUILD RUN x",
        "ONBUILD FROM x",
        "HEALTHCHECK",
        "HEALTHCHECK NONE x",
        "HEALTHCHECK CMD",
        "HEALTHCHECK --interval=x CMD x",
        "HEALTHCHECK --interval=1ns CMD x",
        "HEALTHCHECK --every=1s CMD x",
        "\u{1b}[31m",
    ]
    .map(rejected);
    for line in &errors {
        assert!(
            line.starts_with("invalid change \"") && !line.contains(['\n', '\u{1b}']),
            "{line}"
        );
    }
    assert_eq!(
        errors[10],
        "invalid change \"EXPOSE http\": expected PORT[-PORT][/tcp|udp|sctp], not \"http\""
    );
    assert_eq!(
        errors[0],
        "invalid change \"RUN make\": RUN is not supported, only CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, \
         ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR"
    );
    assert_eq!(
        errors[6],
        "invalid change \"ENV A=\\\"open\": a \" has no end"
    );
}

proptest! {
    /// No text causes a panic, and every error has one line.
    #[test]
    fn any_text_is_parsed_or_rejected(text in "(ENV|LABEL|CMD|USER|EXPOSE|VOLUME|HEALTHCHECK|WORKDIR|ONBUILD)?[ -~\n$\"'{}\\\\é\u{1b}]{0,40}") {
        if let Err(error) = ContainerConfig::default().change(&text) {
            let breaks = error.to_string().contains(['\n', '\u{1b}']);
            prop_assert!(!breaks, "the error has several lines");
        }
    }

    /// Quoting does not change a value.
    #[test]
    fn quoted_values_are_unchanged(value in "[^\n\r\\x00]{0,30}") {
        let single = format!("ENV A='{}'", value.replace('\'', "'\\''"));
        let mut double = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
        double = format!("LABEL A=\"{double}\"");
        let mut config = ContainerConfig::default();
        // A backslash at the end of a line is for the next line.
        prop_assume!(!single.ends_with('\\'));
        config.change(&single).unwrap();
        config.change(&double).unwrap();
        prop_assert_eq!(&config.env, &[format!("A={value}")]);
        prop_assert_eq!(&config.labels["A"], &value);
    }

    /// The reader of configs accepts what is serialized here.
    #[test]
    fn a_serialized_config_is_read_back(words in prop::collection::vec("[^\\x00]{0,8}", 0..4), port in 1u16..) {
        let list = serde_json::to_string(&words).unwrap();
        let mut config = ContainerConfig::default();
        config.change(&format!("CMD {list}")).unwrap();
        config.change(&format!("EXPOSE {port}")).unwrap();
        let document = json!({"config": config, "rootfs": {"type": "layers", "diff_ids": []}});
        let read = windlass_oci::ImageConfig::parse(document.to_string().as_bytes()).unwrap().config.unwrap();
        prop_assert_eq!(read.cmd.unwrap_or_default(), words);
        prop_assert_eq!(read.exposed_ports, [format!("{port}/tcp")]);
    }
}
