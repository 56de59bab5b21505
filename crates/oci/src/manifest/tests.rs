use super::*;
use crate::Digest;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// Returns a descriptor of the content `name`.
fn descriptor(media_type: &str, name: &str) -> String {
    let (digest, size) = (Digest::sha256(name), name.len());
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

fn image(config_type: &str, layer_types: &[&str]) -> String {
    let config = descriptor(config_type, "config");
    let layers: Vec<_> = layer_types
        .iter()
        .map(|layer| descriptor(layer, "layer"))
        .collect();
    format!(r#""config":{config},"layers":[{}]"#, layers.join(","))
}

fn document(media_type: Option<&str>, fields: &str) -> String {
    let media_type = media_type.map(|text| format!(r#""mediaType":"{text}","#));
    format!(
        r#"{{"schemaVersion":2,{}{fields}}}"#,
        media_type.unwrap_or_default()
    )
}

fn parse(document: &str, content_type: Option<&str>) -> Result<Manifest, ManifestError> {
    Manifest::parse(document.as_bytes(), content_type)
}

/// Returns the error and its causes, as the CLI prints them.
fn rejection(document: &str, content_type: Option<&str>) -> String {
    let error = parse(document, content_type).expect_err("the manifest was accepted");
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[test]
fn reads_an_image() {
    let layers = ["application/vnd.docker.image.rootfs.diff.tar.gzip"; 2];
    let fields = image("application/vnd.docker.container.image.v1+json", &layers);
    let read = parse(&document(Some(DOCKER), &fields), Some(DOCKER)).unwrap();
    assert_eq!(read.media_type(), &MediaType::DockerManifest);
    let Manifest::Image(image) = read else {
        panic!("not an image");
    };
    assert_eq!(image.config.digest, Digest::sha256("config"));
    assert_eq!(image.config.media_type, MediaType::DockerConfig);
    let digests: Vec<_> = image.layers.iter().map(|layer| layer.digest).collect();
    assert_eq!(digests, [Digest::sha256("layer"); 2]);
}

#[test]
fn fields_may_be_unknown_or_null() {
    let config =
        descriptor(CONFIG, "config").replace('}', r#","data":"!","urls":null,"platform":{}}"#);
    let fields = format!(
        r#""config":{config},"layers":null,"manifests":null,"subject":{{"x":[1e400]}},
           "annotations":{{"Digest":"kept","empty":null}},"vendor":{{"Size":1}}"#
    );
    let Manifest::Image(image) = parse(&document(None, &fields), None).unwrap() else {
        panic!("not an image");
    };
    assert_eq!(image.layers, []);
    assert_eq!(image.config.platform, None);
    let annotations: Vec<_> = image.annotations.iter().collect();
    let (kept, empty) = ("kept".to_owned(), String::new());
    assert_eq!(
        annotations,
        [(&"Digest".to_owned(), &kept), (&"empty".to_owned(), &empty)]
    );
}

/// T18: a missing media type is derived from the header or the fields.
#[test]
fn the_media_type_may_be_missing() {
    let manifest = document(None, &image(CONFIG, &[LAYER]));
    let index = document(
        None,
        &format!(r#""manifests":[{}]"#, descriptor(OCI, "child")),
    );
    for (document, content_type, expected) in [
        (&manifest, None, MediaType::OciManifest),
        (&manifest, Some(OCI), MediaType::OciManifest),
        (&manifest, Some(DOCKER), MediaType::DockerManifest),
        (&index, None, MediaType::OciIndex),
        (&index, Some(DOCKER_LIST), MediaType::DockerManifestList),
    ] {
        let read = parse(document, content_type).unwrap();
        assert_eq!(read.media_type(), &expected, "{content_type:?}");
    }
    let empty = document(Some(OCI_INDEX), r#""manifests":null"#);
    assert!(matches!(parse(&empty, None), Ok(Manifest::Index(_))));
}

/// T18
#[test]
fn a_generic_content_type_is_ignored() {
    let manifest = document(Some(DOCKER), &image(CONFIG, &[]));
    for generic in [
        "",
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/plain; charset=utf-8",
        "application/octet-stream",
        "binary/octet-stream",
    ] {
        let read = parse(&manifest, Some(generic)).unwrap();
        assert_eq!(read.media_type(), &MediaType::DockerManifest, "{generic}");
    }
}

/// T18, CVE-2021-41190
#[test]
fn ambiguous_documents_are_rejected() {
    let children = format!(r#""manifests":[{}]"#, descriptor(OCI, "child"));
    let image = image(CONFIG, &[LAYER]);
    let both = format!("{children},{image}");
    for (document, content_type, expected) in [
        (
            document(None, &both),
            None,
            r#"ambiguous manifest: it has both "manifests" and "layers""#,
        ),
        (
            document(Some(OCI_INDEX), &both),
            Some(OCI_INDEX),
            r#"ambiguous manifest: it has both "manifests" and "layers""#,
        ),
        (
            document(None, &format!(r#"{image},"manifests":[]"#)),
            None,
            r#"ambiguous manifest: it has both "manifests" and "layers""#,
        ),
        (
            document(None, &format!(r#"{image},"fsLayers":[]"#)),
            None,
            r#"ambiguous manifest: it has both "config" and "fsLayers""#,
        ),
        (
            document(Some(OCI_INDEX), &image),
            None,
            r#"ambiguous manifest: its type is application/vnd.oci.image.index.v1+json, but it has "config""#,
        ),
        (
            document(None, &image),
            Some(OCI_INDEX),
            r#"ambiguous manifest: its type is application/vnd.oci.image.index.v1+json, but it has "config""#,
        ),
        (
            document(Some(OCI), &children),
            None,
            r#"ambiguous manifest: its type is application/vnd.oci.image.manifest.v1+json, but it has "manifests""#,
        ),
        (
            document(Some(OCI), &image),
            Some(DOCKER),
            "ambiguous manifest: its type is application/vnd.oci.image.manifest.v1+json, but it was sent \
             as application/vnd.docker.distribution.manifest.v2+json",
        ),
    ] {
        assert_eq!(rejection(&document, content_type), expected);
    }
}

/// C13: duplicate keys are rejected at any depth.
#[test]
fn duplicate_keys_are_rejected() {
    let twice = document(None, &format!("{0},{0}", image(CONFIG, &[LAYER])));
    assert_eq!(
        rejection(&twice, None),
        "invalid manifest: config: duplicate key"
    );
    let deep = document(None, &image(CONFIG, &[LAYER, LAYER])).replace(
        r#""size":5}]"#,
        r#""size":5,"annotations":{"a":{"b":1,"\u0062":2}}}]"#,
    );
    assert_eq!(
        rejection(&deep, None),
        "invalid manifest: layers[1].annotations.a.b: duplicate key"
    );
}

/// C13: Go's reader ignores the case of keys.
#[test]
fn keys_in_another_case_are_rejected() {
    let image = image(CONFIG, &[LAYER]);
    let layers = document(None, &format!(r#"{image},"Layers":[]"#));
    assert_eq!(
        rejection(&layers, None),
        r#"invalid manifest: Layers: the key must be spelled "layers""#
    );
    let long_s = document(None, &image.replace("digest", "dige\u{17f}t"));
    assert_eq!(
        rejection(&long_s, None),
        "invalid manifest: config.dige\u{17f}t: the key must be spelled \"digest\""
    );
}

/// C9
#[test]
fn schema1_is_rejected_by_name() {
    let expected = "the manifest is of Docker's schema 1: push the image again, or allow such manifests with \
         `schema1 = true`";
    let schema1 = r#"{"schemaVersion":1,"name":"a","fsLayers":[{"blobSum":"../../x"}],
        "history":[{"v1Compatibility":"{\"id\":\"../../x\"}"}],"signatures":[]}"#;
    assert_eq!(rejection(schema1, Some(SCHEMA1)), expected);
    assert_eq!(rejection(schema1, None), expected);
    assert_eq!(
        rejection(&document(None, r#""fsLayers":[]"#), None),
        expected
    );
    assert_eq!(
        rejection(&document(None, &image(CONFIG, &[])), Some(SCHEMA1)),
        expected
    );
    let stated = document(Some(SCHEMA1), r#""tag":"x""#);
    assert_eq!(rejection(&stated, None), expected);
}

/// MF-4
#[test]
fn artifacts_are_rejected_by_name() {
    let artifact = r#""artifactType":"application/vnd.example+type","#;
    let empty = image("application/vnd.oci.empty.v1+json", &["text/spdx"]);
    for (document, expected) in [
        (
            document(
                Some(DOCKER),
                &image("application/vnd.docker.plugin.v1+json", &[]),
            ),
            "not a container image but a Docker plugin (docker plugin install)",
        ),
        (
            document(Some(OCI), &format!("{artifact}{empty}")),
            "not a container image but an artifact of type application/vnd.example+type",
        ),
        (
            document(Some(OCI), &empty),
            "not a container image but an artifact with a config of type application/vnd.oci.empty.v1+json",
        ),
        (
            document(
                Some(OCI),
                &image("application/vnd.cncf.helm.config.v1+json", &[]),
            ),
            "not a container image but an artifact with a config of type \
             application/vnd.cncf.helm.config.v1+json",
        ),
        (
            document(
                Some(OCI),
                &image(CONFIG, &[LAYER, "application/vnd.in-toto+json"]),
            ),
            "not a container image but an artifact whose layer 1 is of type application/vnd.in-toto+json",
        ),
        (
            document(
                Some(OCI),
                &image(
                    CONFIG,
                    &["application/vnd.oci.image.layer.v1.tar+gzip+encrypted"],
                ),
            ),
            "not a container image but an artifact whose layer 0 is of type \
             application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        ),
        (
            document(
                Some("application/vnd.oci.artifact.manifest.v1+json"),
                &format!(r#"{artifact}"blobs":[]"#),
            ),
            "not a container image but an artifact of type application/vnd.example+type",
        ),
        (
            document(Some("application/x\u{202e}"), &image(CONFIG, &[])),
            r"unsupported manifest type application/x\u{202e}",
        ),
    ] {
        assert_eq!(rejection(&document, None), expected);
    }
}

/// MF-4: the config types that early registries guessed are accepted in Docker's manifests only.
#[test]
fn guessed_config_types_are_accepted_from_docker() {
    for config in [
        "application/octet-stream",
        "application/json",
        "text/html",
        "",
    ] {
        let fields = image(config, &["application/octet-stream"]);
        assert!(
            parse(&document(Some(DOCKER), &fields), None).is_ok(),
            "{config}"
        );
        assert!(
            parse(&document(Some(OCI), &fields), None).is_err(),
            "{config}"
        );
    }
}

/// T19
#[test]
fn errors_contain_the_path_of_a_malformed_digest() {
    let good = document(None, &image(CONFIG, &[LAYER]));
    let layer = Digest::sha256("layer").to_string();
    let hex =
        |hex: &str| format!("invalid sha256 digest {hex:?}: expected 64 lower-case hex digits");
    let algorithm = |name: &str| {
        format!("unsupported digest algorithm {name:?}: sha256 and sha512 can be verified")
    };
    let no_algorithm = |text: &str| format!("invalid digest \"{text}\": expected algorithm:hex");
    let short = &layer[..70];
    let long = format!("{layer}0");
    for (digest, expected) in [
        ("sha256:../../../canary/f", hex("../../../canary/f")),
        (&layer.to_uppercase(), algorithm("SHA256")),
        (short, hex(&short["sha256:".len()..])),
        (&long, hex(&long["sha256:".len()..])),
        ("md5:00", algorithm("md5")),
        ("blake3:00", algorithm("blake3")),
        ("sha256", no_algorithm("sha256")),
        ("", no_algorithm("")),
        // An error must not echo a megabyte.
        (
            &"x".repeat(1 << 20),
            no_algorithm(&format!("{}…", "x".repeat(120))),
        ),
    ] {
        assert_eq!(
            rejection(&good.replace(&layer, digest), None),
            format!("invalid manifest: layers[0].digest: {expected}")
        );
    }
    for (value, kind) in [("null", "null"), ("[]", "sequence")] {
        assert_eq!(
            rejection(&good.replace(&format!("\"{layer}\""), value), None),
            format!("invalid manifest: layers[0].digest: invalid type: {kind}, expected a digest")
        );
    }
}

#[test]
fn errors_contain_the_path_of_an_invalid_field() {
    let good = document(None, &image(CONFIG, &[LAYER]));
    for (from, to, expected) in [
        (
            r#""size":5"#,
            r#""size":-1"#,
            "layers[0].size: invalid value: integer `-1`, expected u64",
        ),
        (
            r#""size":5"#,
            r#""size":1e400"#,
            "layers[0].size: number out of range",
        ),
        (
            r#""size":5"#,
            r#""size":9007199254740992"#,
            "layers[0]: a size of 9007199254740992 bytes is more than the 9007199254740991 allowed",
        ),
        (r#","size":5"#, "", "layers[0]: missing field `size`"),
        (
            &descriptor(CONFIG, "config"),
            "[]",
            "config: invalid type: sequence, expected an object",
        ),
        (
            &descriptor(CONFIG, "config"),
            "5",
            "config: invalid type: integer `5`, expected an object",
        ),
        (
            r#""schemaVersion":2"#,
            r#""schemaVersion":"2""#,
            "schemaVersion: invalid type: string \"2\", expected u64",
        ),
        (
            "{\"schema",
            "[{\"schema",
            "not JSON: EOF while parsing a list at line 1 column 341",
        ),
    ] {
        assert_eq!(
            rejection(&good.replace(from, to), None),
            format!("invalid manifest: {expected}")
        );
    }
    assert_eq!(
        rejection("[2]", None),
        "invalid manifest: the document: invalid type: sequence, expected an object"
    );
    assert_eq!(
        rejection("{}", None),
        "neither a manifest nor an index: it has no \"schemaVersion\""
    );
    assert_eq!(
        rejection(&document(None, r#""layers":[]"#), None),
        "neither a manifest nor an index: it has no \"config\""
    );
    assert_eq!(
        rejection(r#"{"schemaVersion":3}"#, None),
        "the manifest's schemaVersion is 3, not 2"
    );
}

/// T21
#[test]
fn size_and_numbers_are_bounded() {
    let mut manifest = document(None, &image(CONFIG, &[LAYER; MAX_LAYERS]));
    manifest.push_str(&" ".repeat(MAX_MANIFEST_SIZE - manifest.len()));
    assert!(parse(&manifest, None).is_ok());
    manifest.push(' ');
    assert_eq!(
        rejection(&manifest, None),
        "the manifest has 4194305 bytes, more than the 4194304 allowed"
    );
    assert_eq!(
        rejection(&document(None, &image(CONFIG, &vec![LAYER; 10_000])), None),
        "the manifest has 10000 layers, more than the 500 allowed"
    );
    let children = vec![descriptor(OCI, "child"); MAX_INDEX_ENTRIES + 1].join(",");
    assert_eq!(
        rejection(
            &document(None, &format!(r#""manifests":[{children}]"#)),
            None
        ),
        "the manifest has 4097 entries, more than the 4096 allowed"
    );
    let urls = ["\"https://a/\""; 33].join(",");
    let many = document(None, &image(CONFIG, &[LAYER]))
        .replace(r#""size":5"#, &format!(r#""size":5,"urls":[{urls}]"#));
    assert_eq!(
        rejection(&many, None),
        "invalid manifest: layers[0].urls: invalid length 33, expected an array of at most 32 elements"
    );
}
