use proptest::prelude::*;

use super::*;

fn platform(text: &str) -> Platform {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn synonyms_are_normalized() {
    for (text, normal) in [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/x86-64/v3", "linux/amd64/v3"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/2", "linux/amd64/v2"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i686", "linux/386"),
        ("macos/arm64", "darwin/arm64"),
        ("windows(10.0.17763.1)/amd64", "windows(10.0.17763.1)/amd64"),
        ("linux/ppc64le", "linux/ppc64le"),
        ("arm64", "linux/arm64"),
        ("armhf", "linux/arm/v7"),
    ] {
        assert_eq!(platform(text).to_string(), normal, "{text}");
    }
    let only_os = platform("windows");
    assert_eq!(only_os.os, "windows");
    assert_eq!(only_os.architecture, Platform::host().architecture);
}

#[test]
fn malformed_platforms_are_rejected() {
    for text in [
        "",
        "/",
        "linux/",
        "/amd64",
        "a/b/c/d",
        "solaris9",
        "linux/am d64",
        "linux(1/amd64",
        "*/amd64",
    ] {
        assert!(text.parse::<Platform>().is_err(), "{text:?}");
    }
    assert_eq!(
        "x".parse::<Platform>().unwrap_err().to_string(),
        "invalid platform \"x\": expected os/architecture[/variant], such as linux/arm64"
    );
}

#[test]
fn the_host_is_linux_on_this_processor() {
    let host = Platform::host();
    assert_eq!(host.os, "linux");
    let plain = Platform::new("linux", std::env::consts::ARCH, None);
    assert!(host.rank(&plain).is_some(), "{host} does not run {plain}");
    if cfg!(target_arch = "x86_64") {
        let levels = [None, Some("v2"), Some("v3"), Some("v4")];
        assert!(levels.contains(&host.variant.as_deref()), "{host}");
    }
}

/// Asserts which of the `offered` platforms run on `wanted`, the best first.
fn assert_runs(wanted: &str, offered: &[&str], runs: &[&str]) {
    let wanted = platform(wanted);
    let mut ranked: Vec<_> = offered
        .iter()
        .filter_map(|text| Some((wanted.rank(&platform(text))?, *text)))
        .collect();
    ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let ranked: Vec<_> = ranked.into_iter().map(|(_, text)| text).collect();
    assert_eq!(ranked, runs, "on {wanted}");
}

#[test]
fn older_variants_run_on_newer_ones() {
    let arm = [
        "linux/arm/v5",
        "linux/arm/v8",
        "linux/arm/v6",
        "linux/arm",
        "linux/arm64",
    ];
    assert_runs(
        "linux/arm/v7",
        &arm,
        &["linux/arm", "linux/arm/v6", "linux/arm/v5"],
    );
    assert_runs("linux/arm/v6", &arm, &["linux/arm/v6", "linux/arm/v5"]);
    let amd = [
        "linux/amd64",
        "linux/amd64/v4",
        "linux/amd64/v2",
        "linux/386",
        "linux/amd64/v3",
    ];
    assert_runs(
        "linux/amd64/v3",
        &amd,
        &["linux/amd64/v3", "linux/amd64/v2", "linux/amd64"],
    );
    assert_runs("linux/amd64", &amd, &["linux/amd64"]);
    let arm64 = [
        "linux/arm64/v8.2",
        "linux/arm64/v8",
        "linux/arm64/v9",
        "linux/arm/v7",
    ];
    assert_runs("linux/arm64", &arm64, &["linux/arm64/v8"]);
    assert_runs(
        "linux/arm64/v9",
        &arm64,
        &["linux/arm64/v9", "linux/arm64/v8.2", "linux/arm64/v8"],
    );
    assert_runs("linux/arm64/v8.1", &arm64, &["linux/arm64/v8"]);
}

#[test]
fn other_platforms_do_not_run() {
    let others = ["windows/amd64", "linux/arm64", "linux/386", "linux/riscv64"];
    assert_runs("linux/amd64/v4", &others, &[]);
    assert_runs(
        "linux/mips64le/softfloat",
        &["linux/mips64le", "linux/mips64le/hardfloat"],
        &[],
    );
    assert_runs(
        "linux/amd64/vx",
        &["linux/amd64", "linux/amd64/v99999999999"],
        &[],
    );
}

#[test]
fn windows_runs_only_images_for_its_build() {
    let builds = [
        "windows(10.0.17763.9)/amd64",
        "windows(10.0.20348.1)/amd64",
        "windows/amd64",
    ];
    assert_runs(
        "windows(10.0.17763.1)/amd64",
        &builds,
        &[builds[0], builds[2]],
    );
    assert_runs("windows/amd64", &builds, &builds);
}

/// R9
#[test]
fn remote_text_is_escaped_for_display() {
    let json =
        r#"{"os":"linux\u001b[2J","architecture":null,"variant":"","os.version":"\u202e","x":1}"#;
    let platform: Platform = serde_json::from_str(json).unwrap();
    assert_eq!(platform.to_string(), r"linux\u{1b}[2j(\u{202e})/");
    assert!(serde_json::from_str::<Platform>(r#"["linux","amd64"]"#).is_err());
}

#[test]
fn json_uses_the_names_of_the_specification() {
    let windows = Platform {
        os_features: vec!["win32k".to_owned()],
        ..platform("windows(10.0.17763.1)/arm/v7")
    };
    let json = r#"{"os":"windows","architecture":"arm","variant":"v7","os.version":"10.0.17763.1","os.features":["win32k"]}"#;
    assert_eq!(serde_json::to_string(&windows).unwrap(), json);
    assert_eq!(serde_json::from_str::<Platform>(json).unwrap(), windows);
}

proptest! {
    #[test]
    fn a_platform_round_trips(
        os in "[a-z]{1,8}|linux|windows|macos",
        version in prop::option::of("[0-9]{1,3}(\\.[0-9]{1,5}){0,3}"),
        architecture in "[a-z0-9_-]{1,8}|amd64|arm|arm64|aarch64|armhf|x86_64|i386",
        variant in prop::option::of("v[0-9]{1,2}(\\.[0-9])?|[0-9]|softfloat"),
    ) {
        let version = version.map_or(String::new(), |version| format!("({version})"));
        let variant = variant.map_or(String::new(), |variant| format!("/{variant}"));
        let platform = platform(&format!("{os}{version}/{architecture}{variant}"));
        prop_assert_eq!(&platform.to_string().parse::<Platform>().unwrap(), &platform);
        prop_assert_eq!(platform.rank(&platform), Some(u32::MAX));
    }
}
