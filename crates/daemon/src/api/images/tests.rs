use windlass::image::Digest;

use super::*;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn image(names: &[&str]) -> ImageSummary {
    let names = names.iter().map(|name| name.parse().unwrap());
    ImageSummary {
        id: DIGEST.parse().unwrap(),
        names: names.collect(),
        digests: Vec::new(),
        created: None,
        size: 5,
        platform: Platform::new("linux", "amd64", None),
        target: DIGEST.parse::<Digest>().unwrap(),
        pulled: 0,
    }
}

/// Returns the fields that depend on the version: the tags, the virtual size and whether there is a descriptor.
fn listed(minor: u16, names: &[&str]) -> (Option<Vec<String>>, Option<i64>, bool) {
    let version = ApiVersion::new(1, minor);
    let format = ResponseFormat::new(version, &QueryParameters::default());
    let details = ImageDetails {
        descriptor: Some(super::super::image_details::descriptor(
            &DIGEST.parse().unwrap(),
            b"{}",
        )),
        ..ImageDetails::default()
    };
    let item = summary(&image(names), &details, format);
    (item.repo_tags, item.virtual_size, item.descriptor.is_some())
}

#[test]
fn the_fields_of_an_image_depend_on_the_version() {
    let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect());
    let none = tags(&["<none>:<none>"]);
    assert_eq!(listed(42, &[]), (none, Some(5), false));
    assert_eq!(listed(43, &[]), (tags(&[]), Some(5), false));
    assert_eq!(
        listed(44, &["alpine:3"]),
        (tags(&["alpine:3"]), None, false)
    );
    assert_eq!(listed(48, &["alpine:3"]), (tags(&["alpine:3"]), None, true));
}

#[test]
fn some_fields_are_listed_on_request_only() {
    let query = QueryParameters::parse("manifests=1&shared-size=1");
    let fields = |minor| {
        let format = ResponseFormat::new(ApiVersion::new(1, minor), &query);
        (format.has_shared_size, format.has_manifests)
    };
    assert_eq!(fields(41), (false, false));
    assert_eq!(fields(42), (true, false));
    assert_eq!(fields(47), (true, true));
}

#[test]
fn a_platform_has_two_forms() {
    let parse = |text: &str| parse_platform(text).map(|platform| platform.to_string());
    let arm = Ok("linux/arm64".to_owned());
    assert_eq!(parse("linux/arm64"), arm);
    assert_eq!(parse(r#"{"os":"linux","architecture":"arm64"}"#), arm);
    let v7 = parse(r#"{"os":"linux","architecture":"arm","variant":"v7"}"#);
    assert_eq!(v7, Ok("linux/arm/v7".to_owned()));
    let odd = parse("{").unwrap_err();
    assert_eq!(
        (odd.status, odd.message.as_str()),
        (
            StatusCode::BAD_REQUEST,
            "invalid platform \"{\": it is not valid JSON"
        )
    );
}

#[test]
fn old_clients_get_all_fields_of_a_config() {
    let Value::Object(config) = json!({"Cmd": ["sh"], "Extra": 1}) else {
        panic!("an object");
    };
    let all = with_all_fields(&config);
    assert_eq!(all["Cmd"], json!(["sh"]));
    assert_eq!(all["Extra"], 1);
    assert_eq!(all["Entrypoint"], Value::Null);
    assert_eq!(all["Tty"], false);
}
