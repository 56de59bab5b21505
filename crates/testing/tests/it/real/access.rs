//! A registry with passwords, with TLS, or with both.

use windlass_testing::Ca;
use windlass_testing::real::{DockerRegistry, PASSWORD, RegistryAuth, USER};

use super::{Place, can_inspect, can_run};

#[test]
fn a_registry_with_passwords_over_tls_serves_who_knows_both() {
    if !can_run(&["docker-registry", "skopeo", "gzip"]) {
        return;
    }
    let place = Place::new();
    let ca = Ca::new();
    let registry = DockerRegistry::builder(&place.path("registry"))
        .access(RegistryAuth::Basic)
        .tls(&ca)
        .start()
        .unwrap();

    place.push(&registry, "hold/app");
    registry.copy("hold/app:it", &place.path("copy")).unwrap();

    place.assert_copied(&place.path("copy"));
    assert!(registry.url().starts_with("https://127.0.0.1:"));
    let user = format!("--creds={USER}:{PASSWORD}");
    let trusting = "--tls-verify=false";
    let inspect = |options: &[&str]| can_inspect(&registry, "hold/app:it", options);
    assert!(inspect(&[trusting, &user]));
    assert!(!inspect(&[trusting, "--creds=bosun:wrong"]));
    assert!(!inspect(&[trusting, "--no-creds"]));
    assert!(!inspect(&[&user]), "without the authority's certificate");
}

#[test]
fn a_registry_listens_where_it_is_told() {
    if !can_run(&["docker-registry", "skopeo", "gzip"]) {
        return;
    }
    let place = Place::new();
    let registry = DockerRegistry::builder(&place.path("registry"))
        .on([127, 0, 0, 3].into())
        .tls(&Ca::new())
        .start()
        .unwrap();

    place.push(&registry, "app");
    registry.copy("app:it", &place.path("copy")).unwrap();

    place.assert_copied(&place.path("copy"));
    assert!(registry.url().starts_with("https://127.0.0.3:"));
}
