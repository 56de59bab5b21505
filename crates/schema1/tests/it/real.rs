//! Manifests that were created and signed by other software; `tests/data/README.md` describes how.

use windlass_oci::{DiffId, Digest, ImageConfig, ImageId, Platform, Tag};
use windlass_schema1::{Schema1, V1Layer};

use crate::build::{error_text, parse_as};
use crate::sign::signed;

const CONVERTED: [(&str, &str); 4] = [
    ("ES256", include_str!("../data/converted-es256.json")),
    ("ES384", include_str!("../data/converted-es384.json")),
    ("ES512", include_str!("../data/converted-es512.json")),
    ("RS256", include_str!("../data/converted-rs256.json")),
];
const PUSHED: &str = include_str!("../data/pushed-es256.json");
const CONFIG: &str = include_str!("../data/config.json");
const ODD_PAYLOAD: &str = include_str!("../data/odd-payload.json");
const ODD_CONFIG: &str = include_str!("../data/odd-config.json");

const HELLO: &str = "sha256:96f5c1ffd4cfe571912844e1783bdf57252321040db96acf43f3091f67481048";
const WORLD: &str = "sha256:3722d505cc253f0047b8b0bd694671ab7551e67652ba2c5c4798e29c01862870";
const HELLO_BLOB: &str = "sha256:e704b35d48bb5d7a798db4fa5f16ead6dfd3569f22eae970eb8a464c08750824";
const WORLD_BLOB: &str = "sha256:9d17f105664c729844ad925712e460c93a19e1107e578d01e4f36cb2ea9b8076";

fn parse(document: &str, repository: &str, tag: &str) -> Schema1 {
    let tag: Tag = tag.parse().unwrap();
    parse_as(document.as_bytes(), repository, &tag)
        .unwrap_or_else(|error| panic!("{}", error_text(&error)))
}

fn layers(blobs: &[&str]) -> Vec<V1Layer> {
    let blobs = blobs.iter().map(|blob| V1Layer {
        blob: blob.parse().unwrap(),
    });
    blobs.collect()
}

fn config(manifest: &Schema1, diff_ids: &[&str]) -> String {
    let diff_ids: Vec<DiffId> = diff_ids.iter().map(|id| id.parse().unwrap()).collect();
    String::from_utf8(manifest.config(&diff_ids).unwrap()).unwrap()
}

/// S1-1, S1-7: an image that a registry converted to schema 1 has the same ID as before.
#[test]
fn a_conversion_by_the_registry_keeps_the_image_id() {
    for (algorithm, document) in CONVERTED {
        let manifest = parse(document, "library/tiny", "1");
        assert_eq!(
            manifest.layers(),
            layers(&[HELLO_BLOB, WORLD_BLOB]),
            "{algorithm}"
        );
        assert_eq!(manifest.platform(), &Platform::new("linux", "arm64", None));
        assert_eq!(config(&manifest, &[HELLO, WORLD]), CONFIG, "{algorithm}");
    }
}

/// MF-2: the digest is the one in the header of the registry's response.
#[test]
fn the_digest_is_the_one_of_the_registry() {
    let digest = |text: &str| text.parse::<Digest>().unwrap();
    assert_eq!(
        parse(CONVERTED[0].1, "library/tiny", "1").digest(),
        digest("sha256:af825928e49e092a6f349a5448ad1539c64828b4704f492e6bd96c190663d412")
    );
    assert_eq!(
        parse(PUSHED, "library/tiny", "skopeo").digest(),
        digest("sha256:0b72931b2ed8b7fe0fecde27f084357e977cd2e708f04ce0cc8ef5ea31b6ca60")
    );
}

/// S1-7: an image that the pushing client converted to schema 1 has the same ID as before.
#[test]
fn a_conversion_by_the_client_keeps_the_image_id() {
    let manifest = parse(PUSHED, "library/tiny", "skopeo");
    assert_eq!(manifest.layers(), layers(&[HELLO_BLOB, WORLD_BLOB]));
    let config = config(&manifest, &[HELLO, WORLD]);
    assert_eq!(config, CONFIG);
    assert_eq!(
        ImageId::new(Digest::sha256(config)).to_string(),
        "sha256:99f6fb0b1e83a2b6c6082624166aa21927bfdf446209f2968acbed6af36d00c9"
    );
}

/// S1-5, S1-6: everything that Go's JSON writer changes is changed in the same way.
#[test]
fn the_config_is_the_one_that_go_writes() {
    let document = signed(ODD_PAYLOAD, &[&crate::build::SIGNER]);
    let manifest = parse(&document, "library/odd", "1");
    assert_eq!(
        manifest.layers(),
        layers(&[HELLO_BLOB, WORLD_BLOB, WORLD_BLOB])
    );
    let config = config(&manifest, &[HELLO, WORLD, WORLD]);
    assert_eq!(config, ODD_CONFIG);
    let read = ImageConfig::parse(config.as_bytes()).unwrap();
    assert_eq!(read.rootfs.diff_ids.len(), 3);
    assert_eq!(read.history.len(), 4);
}

#[test]
fn a_key_with_the_id_of_another_key_is_rejected() {
    let tag: Tag = "1".parse().unwrap();
    let expected = [
        (
            "ES256",
            "DUEP:TTBD:DVXA:XZ2I:FFTK:OKDZ:ZLHJ:CLDZ:T4JI:DBRA:YKCC:FUEJ",
        ),
        (
            "ES384",
            "EZAJ:WQ65:4QX5:3QMD:5DPY:HKUC:JNXC:7VGQ:CBAP:YZKK:ZVDF:MR36",
        ),
        (
            "ES512",
            "5U5M:OPXL:7FN4:MDR5:UVPP:R6DR:L2MJ:6VI7:FRW3:2PEX:LMGH:SZJH",
        ),
        (
            "RS256",
            "OE72:43JK:LQM7:DMUL:NIX4:RKAS:ZIER:PDL3:X7KS:UPBJ:QEMQ:TYWS",
        ),
    ];
    for ((algorithm, document), (_, id)) in CONVERTED.into_iter().zip(expected) {
        let other = document.replace(id, "ABCD");
        let error = parse_as(other.as_bytes(), "library/tiny", &tag).unwrap_err();
        assert_eq!(
            error_text(&error),
            format!("signature 0 of the schema 1 manifest: the key's ID is {id}, not \"ABCD\""),
            "{algorithm}"
        );
    }
}

/// The payload is exactly the document with the member `signatures` removed.
#[test]
fn the_payload_is_the_document_without_its_signatures() {
    for (_, document) in CONVERTED {
        let end = document.find(",\n   \"signatures\"").unwrap();
        let expected = format!("{}\n}}", &document[..end]);
        let manifest = parse(document, "library/tiny", "1");
        assert_eq!(manifest.payload(), expected.as_bytes());
    }
}

/// C2
#[test]
fn a_changed_byte_changes_nothing_that_is_read() {
    let (_, original) = CONVERTED[0];
    let tag: Tag = "1".parse().unwrap();
    let expected = parse(original, "library/tiny", "1");
    let mut harmless = 0;
    for place in 0..original.len() {
        for bits in [0x01, 0x20] {
            let mut document = original.as_bytes().to_vec();
            document[place] ^= bits;
            if let Ok(read) = parse_as(&document, "library/tiny", &tag) {
                assert_eq!(read, expected, "{}", String::from_utf8_lossy(&document));
                harmless += 1;
            }
        }
    }
    // A change of the name of the optional member `kid` is harmless; almost all others are rejected.
    assert!(
        (3..30).contains(&harmless),
        "{harmless} changes were accepted"
    );
}
