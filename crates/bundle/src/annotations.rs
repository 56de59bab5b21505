//! The annotations of the bundle's config: labels and other metadata of the image.

use std::collections::BTreeMap;

use windlass_oci::text::sanitize;
use windlass_oci::{ImageConfig, RuntimeConfig};

use crate::error::BundleWarning;

const PREFIX: &str = "org.opencontainers.image.";

/// Prefixes of annotations that configure the runtime: properties of the container's systemd unit (runc, crun), the
/// configuration of CRIU (runc), hooks and handlers (crun), hypervisors (Kata), flags (gVisor). An image must not set
/// them.
const RUNTIME_PREFIXES: [&str; 5] = [
    "org.systemd.property.",
    "org.criu.",
    "run.oci.",
    "io.katacontainers.",
    "dev.gvisor.",
];

/// Returns the annotations; labels take precedence over the other fields of the image config.
pub(crate) fn annotations(
    image: &ImageConfig,
    config: &RuntimeConfig,
    warnings: &mut Vec<BundleWarning>,
) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let mut implied = |key: &str, value: &str| {
        if !value.is_empty() {
            annotations.insert(format!("{PREFIX}{key}"), value.to_owned());
        }
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    implied("os", &image.os);
    implied("architecture", &image.architecture);
    implied("variant", &text(&image.variant));
    implied("os.version", &text(&image.os_version));
    implied("os.features", &image.os_features.join(","));
    implied("author", &text(&image.author));
    implied("created", &text(&image.created));
    implied("stopSignal", &text(&config.stop_signal));
    implied("exposedPorts", &config.exposed_ports.join(","));
    for (key, value) in &config.labels {
        // The specification requires a non-empty key.
        if key.is_empty()
            || RUNTIME_PREFIXES
                .iter()
                .any(|prefix| key.starts_with(prefix))
        {
            warnings.push(BundleWarning::Label { key: sanitize(key) });
            continue;
        }
        annotations.insert(key.clone(), value.clone());
    }
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(json: &str) -> (Vec<String>, Vec<String>) {
        let json = format!(r#"{{"rootfs":{{"diff_ids":[]}},{json}}}"#);
        let image = ImageConfig::parse(json.as_bytes()).unwrap();
        let config = image.config.clone().unwrap_or_default();
        let mut warnings = Vec::new();
        let annotations = annotations(&image, &config, &mut warnings);
        let annotations = annotations
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let warnings = warnings.iter().map(|warning| format!("{warning:?}"));
        (annotations.collect(), warnings.collect())
    }

    #[test]
    fn every_field_becomes_an_annotation() {
        let (annotations, warnings) = converted(
            r#""os":"linux","architecture":"arm","variant":"v7","os.version":"1","os.features":["a","b"],
            "author":"me","created":"2026-01-02T03:04:05Z",
            "config":{"StopSignal":"SIGINT","ExposedPorts":{"80/tcp":{},"53/udp":{}},"Labels":{"k":"v","e":""}}"#,
        );
        insta::assert_snapshot!(annotations.join("\n"), @r"
        e=
        k=v
        org.opencontainers.image.architecture=arm
        org.opencontainers.image.author=me
        org.opencontainers.image.created=2026-01-02T03:04:05Z
        org.opencontainers.image.exposedPorts=53/udp,80/tcp
        org.opencontainers.image.os=linux
        org.opencontainers.image.os.features=a,b
        org.opencontainers.image.os.version=1
        org.opencontainers.image.stopSignal=SIGINT
        org.opencontainers.image.variant=v7
        ");
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn empty_fields_are_omitted() {
        assert_eq!(converted(r#""author":"","config":null"#).0, [""; 0]);
    }

    #[test]
    fn labels_take_precedence() {
        let label = r#""org.opencontainers.image.author":"you""#;
        let (annotations, _) = converted(&format!(
            r#""author":"me","config":{{"Labels":{{{label}}}}}"#
        ));
        assert_eq!(annotations, ["org.opencontainers.image.author=you"]);
    }

    #[test]
    fn labels_cannot_configure_the_runtime() {
        let labels: Vec<_> = RUNTIME_PREFIXES
            .iter()
            .map(|prefix| format!(r#""{prefix}x":"y""#))
            .collect();
        let json = format!(r#""config":{{"Labels":{{"":"e",{}}}}}"#, labels.join(","));
        let (annotations, warnings) = converted(&json);
        assert_eq!(annotations, [""; 0]);
        assert_eq!(
            warnings,
            [
                r#"Label { key: "" }"#,
                r#"Label { key: "dev.gvisor.x" }"#,
                r#"Label { key: "io.katacontainers.x" }"#,
                r#"Label { key: "org.criu.x" }"#,
                r#"Label { key: "org.systemd.property.x" }"#,
                r#"Label { key: "run.oci.x" }"#,
            ]
        );
    }
}
