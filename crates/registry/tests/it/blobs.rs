//! Blobs: sizes, ranges and resumed downloads.

use windlass_oci::Digest;
use windlass_registry::{Credentials, NextStep, RegistryConfig, RegistryError};
use windlass_testing::{Ca, Gate, RangeFault, Registry};

use crate::support::{
    client, drain, layer, noise, open, open_with_short_timeouts, read, report, session,
};

const SIZE: usize = 300 << 10;
const HALF: u64 = 150 << 10;

/// DL-8.
#[tokio::test]
async fn a_blob_arrives_complete_and_in_order() {
    let registry = Registry::start();
    let bytes = noise(SIZE);
    let digest = registry.put_blob("app", bytes.clone());
    let (read, start, error) = read(&open(&registry), &layer(digest, SIZE as u64), 0).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((read == bytes, start), (true, 0));
    assert_eq!(registry.requested_ranges(&digest), ["whole"]);
}

/// DL-4, DL-5, T31.
#[tokio::test]
async fn a_cut_blob_is_resumed_where_it_was_cut() {
    let registry = Registry::start();
    let bytes = noise(SIZE);
    let digest = registry.put_blob("app", bytes.clone());
    registry.blob(&digest).cut_after(HALF).then_ok();
    let repository = open(&registry);
    let descriptor = layer(digest, SIZE as u64);

    let (mut first, _, error) = read(&repository, &descriptor, 0).await;
    let error = error.unwrap();
    assert_eq!(
        report(&error, &registry)
            .split(": ")
            .take(2)
            .collect::<Vec<_>>(),
        [
            &*format!("blob {digest} of app at REGISTRY"),
            "cut off after 153600 of 307200 bytes"
        ]
    );
    assert_eq!(error.next_step(), NextStep::Retry { after: None });
    let (rest, start, error) = read(&repository, &descriptor, HALF).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((first.len() as u64, start), (HALF, HALF));
    first.extend(rest);
    assert!(first == bytes, "the two parts do not make up the blob");
    assert_eq!(
        registry.requested_ranges(&digest),
        ["whole", "bytes=153600-"]
    );
}

#[tokio::test]
async fn nothing_is_requested_for_a_complete_blob() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(10));
    let (bytes, start, error) = read(&open(&registry), &layer(digest, 10), 10).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((bytes.len(), start, registry.log().len()), (0, 10, 0));
}

/// DL-7: a partial blob that is longer than the blob is not a prefix of it.
#[tokio::test]
async fn an_offset_beyond_the_end_starts_over() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(10));
    let (bytes, start, error) = read(&open(&registry), &layer(digest, 10), 11).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((bytes.len(), start), (10, 0));
}

/// DL-5, T32: a registry without ranges sends the whole blob, which the stream reports.
#[tokio::test]
async fn an_ignored_range_starts_over() {
    let registry = Registry::start();
    let bytes = noise(SIZE);
    let digest = registry.put_blob("app", bytes.clone());
    registry.blob(&digest).ignore_range().then_ok();
    let (read, start, error) = read(&open(&registry), &layer(digest, SIZE as u64), HALF).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((read == bytes, start), (true, 0));
    assert_eq!(registry.requested_ranges(&digest), ["bytes=153600-"]);
}

/// T32, E3, E5: a response with a wrong range is discarded, and the whole blob is requested.
#[tokio::test]
async fn a_wrong_range_starts_over() {
    for fault in [
        RangeFault::StartsLate,
        RangeFault::Unlabelled,
        RangeFault::OtherTotal,
        RangeFault::Multipart,
        RangeFault::Unsatisfiable,
    ] {
        let registry = Registry::start();
        let bytes = noise(SIZE);
        let digest = registry.put_blob("app", bytes.clone());
        registry.blob(&digest).range(fault).then_ok();
        let (read, start, error) = read(&open(&registry), &layer(digest, SIZE as u64), HALF).await;
        assert!(error.is_none(), "{fault:?}: {error:?}");
        assert_eq!((read == bytes, start), (true, 0), "{fault:?}");
        assert_eq!(
            registry.requested_ranges(&digest),
            ["bytes=153600-", "whole"],
            "{fault:?}"
        );
    }
}

/// T32: a wrong `Content-Range` with the right length is not detected here, but by the digest.
#[tokio::test]
async fn a_mislabelled_range_is_left_to_the_digest() {
    let registry = Registry::start();
    let bytes = noise(SIZE);
    let digest = registry.put_blob("app", bytes.clone());
    registry
        .blob(&digest)
        .range(RangeFault::FromTheStart)
        .then_ok();
    let (read, start, error) = read(&open(&registry), &layer(digest, SIZE as u64), HALF).await;
    assert_eq!(start, HALF);
    assert!(
        error.is_some() || read.len() as u64 == SIZE as u64 - HALF,
        "{}",
        read.len()
    );
    assert!(read != bytes[153_600..]);
}

/// T32: a shorter range than requested is progress.
#[tokio::test]
async fn a_shorter_range_is_accepted_and_continued() {
    let registry = Registry::start();
    let bytes = noise(SIZE);
    let digest = registry.put_blob("app", bytes.clone());
    registry.blob(&digest).range(RangeFault::Shorter).then_ok();
    let (first, start, error) = read(&open(&registry), &layer(digest, SIZE as u64), HALF).await;
    assert_eq!((first == bytes[153_600..230_400], start), (true, HALF));
    let error = error.unwrap();
    assert_eq!(
        report(&error, &registry),
        format!("blob {digest} of app at REGISTRY: 230400 bytes where 307200 were expected")
    );
    assert_eq!(error.next_step(), NextStep::Retry { after: None });
}

/// T16, R3: no byte beyond the descriptor's size, and both sizes in the error.
#[tokio::test]
async fn a_body_of_another_size_is_rejected() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(100));
    let repository = open(&registry);
    let cases = [
        (101, "100 bytes where 101 were expected", false),
        (99, "more than the expected 99 bytes: at least 100", false),
        (101, "100 bytes where 101 were expected", true),
        (99, "more than the expected 99 bytes: at least 100", true),
    ];
    for (expected_size, message, chunked) in cases {
        if chunked {
            registry
                .blob(&digest)
                .without_header("content-length")
                .then_ok();
        }
        let (bytes, _, error) = read(&repository, &layer(digest, expected_size), 0).await;
        assert!(bytes.len() as u64 <= expected_size);
        let expected = format!("blob {digest} of app at REGISTRY: {message}");
        assert_eq!(report(&error.unwrap(), &registry), expected);
    }
}

/// T16: an endless body is read up to the expected size.
#[tokio::test]
async fn an_endless_body_ends_at_the_expected_size() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(SIZE));
    let repository = open(&registry);
    registry.blob(&digest).endless().then_ok();
    let huge = i64::MAX.to_string();
    registry
        .blob(&digest)
        .endless()
        .header("content-length", &huge)
        .then_ok();
    for _ in 0..2 {
        let (bytes, _, error) = read(&repository, &layer(digest, SIZE as u64), 0).await;
        assert!(bytes.len() <= SIZE);
        assert!(
            matches!(error, Some(RegistryError::Size { .. })),
            "{error:?}"
        );
    }
    for request in registry.blob_requests(&digest) {
        assert!(
            request.sent() < (SIZE as u64) + (8 << 20),
            "{} bytes",
            request.sent()
        );
    }
}

/// T31.
#[tokio::test]
async fn a_reset_is_an_interruption() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(SIZE));
    registry.blob(&digest).reset_after(HALF).then_ok();
    let (bytes, _, error) = read(&open(&registry), &layer(digest, SIZE as u64), 0).await;
    let Some(RegistryError::Interrupted {
        received, expected, ..
    }) = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((received, expected), (bytes.len() as u64, SIZE as u64));
}

/// T33, HT-3: a stalled body times out, and so does one that is too slow.
#[tokio::test]
async fn a_stalled_body_times_out() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(SIZE));
    registry
        .blob(&digest)
        .stall_after(HALF)
        .then()
        .throttle(100)
        .then_ok();
    let repository = open_with_short_timeouts(&registry);
    for _ in 0..2 {
        let (bytes, _, error) = read(&repository, &layer(digest, SIZE as u64), 0).await;
        assert!(bytes.len() as u64 <= HALF);
        let error = error.unwrap();
        assert!(matches!(error, RegistryError::Timeout { .. }), "{error:?}");
        assert_eq!(error.next_step(), NextStep::Retry { after: None });
    }
}

/// After an error the stream does not continue.
#[tokio::test]
async fn a_stream_that_failed_stays_failed() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(SIZE));
    registry.blob(&digest).cut_after(HALF).then_ok();
    let mut stream = open(&registry)
        .blob(&layer(digest, SIZE as u64), 0)
        .await
        .unwrap();
    while stream.next_chunk().await.is_ok() {}
    assert_eq!(stream.position(), HALF);
    assert!(stream.next_chunk().await.is_err());
    assert_eq!(stream.position(), HALF);
}

/// S2-4, T15, T20: a config is limited in size and verified.
#[tokio::test]
async fn small_blobs_are_verified() {
    let registry = Registry::start();
    let bytes = noise(1000);
    let digest = registry.put_blob("app", bytes.clone());
    let repository = open(&registry);
    let descriptor = layer(digest, 1000);
    assert_eq!(
        repository.blob_bytes(&descriptor, 1000).await.unwrap(),
        bytes
    );

    let error = repository.blob_bytes(&descriptor, 999).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::TooLarge { limit: 999, .. }),
        "{error:?}"
    );

    registry.blob(&digest).corrupt(500).then_ok();
    let error = repository.blob_bytes(&descriptor, 1000).await.unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error:?}");
    assert_eq!(error.next_step(), NextStep::NextEndpoint);
    assert_eq!(
        registry.log().len(),
        2,
        "a blob beyond the limit is not requested"
    );
}

#[tokio::test]
async fn a_blob_that_does_not_exist() {
    let registry = Registry::start();
    registry.put_blob("app", noise(1));
    let digest = Digest::sha256("nothing");
    let error = open(&registry)
        .blob(&layer(digest, 7), 0)
        .await
        .unwrap_err();
    assert_eq!(
        report(&error, &registry),
        format!("blob {digest} of app at REGISTRY: no such blob")
    );
}

/// Exactly the requested bytes, concurrently, each over a connection of its own, even where HTTP/2 could
/// share one.
#[tokio::test]
async fn parts_are_fetched_over_connections_of_their_own() {
    let ca = Ca::new();
    let registry = Registry::builder().tls(&ca).start();
    let bytes = noise(SIZE);
    let digest = registry.put_blob("app", bytes.clone());
    let gate = Gate::new();
    registry.blob(&digest).held_by(&gate).times(3).then_ok();
    let config = RegistryConfig {
        extra_roots: vec![ca.pem().into()],
        ..RegistryConfig::default()
    };
    let repository = session(&client(config), &registry, Credentials::Anonymous);
    let blob = layer(digest, SIZE as u64);
    let part = |range: std::ops::Range<usize>| {
        let (repository, blob, bytes) = (&repository, &blob, &bytes);
        async move {
            let requested = range.start as u64..range.end as u64;
            let stream = repository.blob_range(blob, requested).await.unwrap();
            let (read, _, error) = drain(stream.unwrap()).await;
            assert!(error.is_none(), "{error:?}");
            assert!(read == bytes[range]);
        }
    };
    let open_after_all_requests = async {
        let waiting = gate.clone();
        tokio::task::spawn_blocking(move || waiting.wait_for(3))
            .await
            .unwrap();
        gate.open();
    };
    tokio::join!(
        part(0..100_000),
        part(100_000..200_000),
        part(307_199..307_200),
        open_after_all_requests
    );
    let mut ranges = registry.requested_ranges(&digest);
    ranges.sort();
    let expected = [
        "bytes=0-99999",
        "bytes=100000-199999",
        "bytes=307199-307199",
    ];
    assert_eq!(ranges, expected);
    assert_eq!(registry.connections(), 3);
}

/// T32: a registry that does not send exactly these bytes does not support ranges.
#[tokio::test]
async fn a_part_is_exact_or_none() {
    for fault in [
        RangeFault::Ignored,
        RangeFault::StartsLate,
        RangeFault::Unlabelled,
        RangeFault::OtherTotal,
        RangeFault::Multipart,
        RangeFault::Shorter,
        RangeFault::Unsatisfiable,
    ] {
        let registry = Registry::start();
        let digest = registry.put_blob("app", noise(SIZE));
        registry.blob(&digest).range(fault).then_ok();
        let blob = layer(digest, SIZE as u64);
        let part = open(&registry).blob_range(&blob, 1000..2000).await.unwrap();
        assert!(part.is_none(), "{fault:?}");
    }
}

/// An interrupted part is an error.
#[tokio::test]
async fn an_interrupted_part_is_an_error() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(SIZE));
    registry.blob(&digest).cut_after(500).then_ok();
    let blob = layer(digest, SIZE as u64);
    let part = open(&registry).blob_range(&blob, 1000..2000).await.unwrap();
    let (read, _, error) = drain(part.unwrap()).await;
    assert!(read.len() <= 500);
    assert_eq!(error.unwrap().next_step(), NextStep::Retry { after: None });
}
