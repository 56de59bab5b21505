use super::*;

/// The samples, in alphabetical order, without those that depend on the process.
fn samples(metrics: &Metrics) -> Vec<String> {
    let text = metrics.encode(None, "1.2");
    let mut samples: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("process_"))
        .filter(|line| !line.starts_with("windlass_daemon_start_time_seconds "))
        .map(str::to_owned)
        .collect();
    samples.sort();
    samples
}

/// The names and labels that dashboards use.
#[test]
fn names_and_labels_are_stable() {
    let metrics = Metrics::default();
    let running = metrics.start_pull();
    drop(metrics.start_pull());
    metrics.start_pull().failed();
    metrics.pull_durations.observe(1.5);
    metrics.pull_durations.observe(7200.0);
    metrics.pull_durations.observe(9000.0);
    metrics.count_push(true);
    metrics.count_response(404);
    metrics.count_host("a.test:5000".to_owned());
    insta::assert_snapshot!(samples(&metrics).join("\n"), @r#"
    windlass_build_info{version="1.2"} 1
    windlass_http_requests_total{status="404"} 1
    windlass_layer_requests_total{host="a.test:5000"} 1
    windlass_pull_bytes_total 0
    windlass_pull_duration_seconds_bucket{le="+Inf"} 3
    windlass_pull_duration_seconds_bucket{le="1"} 0
    windlass_pull_duration_seconds_bucket{le="10"} 1
    windlass_pull_duration_seconds_bucket{le="1800"} 1
    windlass_pull_duration_seconds_bucket{le="2"} 1
    windlass_pull_duration_seconds_bucket{le="30"} 1
    windlass_pull_duration_seconds_bucket{le="300"} 1
    windlass_pull_duration_seconds_bucket{le="5"} 1
    windlass_pull_duration_seconds_bucket{le="60"} 1
    windlass_pull_duration_seconds_bucket{le="7200"} 2
    windlass_pull_duration_seconds_count 3
    windlass_pull_duration_seconds_sum 16201.5
    windlass_pull_queued_total 0
    windlass_pull_retries_total 0
    windlass_pull_reused_bytes_total 0
    windlass_pull_setbacks_total 0
    windlass_pulls_running 1
    windlass_pulls_total{outcome="downloaded"} 0
    windlass_pulls_total{outcome="failed"} 1
    windlass_pulls_total{outcome="left"} 1
    windlass_pulls_total{outcome="up_to_date"} 0
    windlass_pushes_total{outcome="failed"} 0
    windlass_pushes_total{outcome="pushed"} 1
    "#);
    drop(running);
    assert_eq!(metrics.pulls_running(), 0);
}

#[test]
fn the_types_are_announced() {
    let text = Metrics::default().encode(None, "1.2");
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types: Vec<_> = types.collect();
    insta::assert_snapshot!(types.join("\n"), @r"
    windlass_daemon_start_time_seconds gauge
    windlass_pulls_running gauge
    windlass_pulls_total counter
    windlass_pull_duration_seconds histogram
    windlass_pull_bytes_total counter
    windlass_pull_reused_bytes_total counter
    windlass_pull_retries_total counter
    windlass_pull_setbacks_total counter
    windlass_pull_queued_total counter
    windlass_pushes_total counter
    windlass_build_info gauge
    process_resident_memory_bytes gauge
    process_open_fds gauge
    ");
}

#[test]
fn hosts_beyond_the_limit_share_a_sample() {
    let metrics = Metrics::default();
    for host in 0..MAX_HOSTS + 5 {
        metrics.count_host(format!("host{host}.test"));
    }
    // A host with a sample keeps it.
    metrics.count_host("host0.test".to_owned());
    let count = |host: &str| {
        let label = [("host", host.to_owned())];
        metrics.hosts.get(&label).map_or(0, |counter| counter.get())
    };
    assert_eq!((count("host0.test"), count(OTHER_HOSTS)), (2, 5));
}
