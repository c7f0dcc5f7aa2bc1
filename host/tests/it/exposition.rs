//! Reads Prometheus' text format 0.0.4, and takes nothing that its specification does not give.

use std::collections::{BTreeMap, BTreeSet};

/// Values by series, as `name{label="value",…}` with the labels as they are written.
pub type Series = BTreeMap<String, f64>;

/// One metric family while it is read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
}

/// Reads a whole text; a flaw in its form fails the test.
pub fn read(text: &str) -> Series {
    assert!(text.ends_with('\n'), "the last line has its end");
    let (mut series, mut seen, mut family) = (Series::new(), BTreeSet::new(), Family::default());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name and a help");
            assert!(!help.is_empty() && seen.insert(name.to_owned()), "one help for {name}");
            family = Family { name: name.to_owned(), kind: String::new() };
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(name == family.name && family.kind.is_empty(), "one type, after the help: {line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            kind.clone_into(&mut family.kind);
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a series and a value");
            check_name(&family, name);
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(family.kind == "gauge" || value >= 0.0, "{line}");
            assert!(series.insert(name.to_owned(), value).is_none(), "twice: {name}");
        }
    }
    check_histograms(&series);
    series
}

fn check_name(family: &Family, series: &str) {
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("a closed brace")),
        None => (series, ""),
    };
    let parts = ["_bucket", "_sum", "_count"];
    let own = match family.kind.as_str() {
        "histogram" => name.strip_prefix(family.name.as_str()).is_some_and(|part| parts.contains(&part)),
        kind => !kind.is_empty() && name == family.name,
    };
    assert!(own, "`{series}` is not of {} {}", family.kind, family.name);
    let mut keys = BTreeSet::new();
    // No value here holds a quote or a comma: names and words do not.
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, value) = label.split_once('=').expect("a label and its value");
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect("quotes");
        assert!(key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{series}");
        assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte)), "{series}");
        assert!(keys.insert(key), "a label twice: {series}");
    }
}

/// Buckets are sums of all below, and the last one is the count.
fn check_histograms(series: &Series) {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (name, value) in series.iter().filter(|(name, _)| name.contains("_bucket{")) {
        let (before, rest) = name.split_once("le=\"").expect("a bucket's bound");
        let (bound, after) = rest.split_once('"').expect("a closed quote");
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
        buckets.entry(format!("{before}|{after}")).or_default().push((bound, *value));
    }
    for (name, mut found) in buckets {
        found.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(found.is_sorted_by(|one, other| one.1 <= other.1), "{name}: {found:?}");
        let (before, after) = name.split_once('|').expect("a bar");
        let labels =
            format!("{}{after}", before.replace("_bucket{", "_count{")).replace(",}", "}").replace("{}", "");
        let last = found.last().expect("a bucket");
        assert_eq!((last.0, Some(&last.1)), (f64::INFINITY, series.get(&labels)), "{labels}");
    }
}

#[test]
fn text_that_is_not_prometheus_is_told_from_text_that_is() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"y\"} 1\n";
    assert_eq!(read(good).get("a_total{x=\"y\"}"), Some(&1.0));
    for bad in [
        "a_total 1\n",
        "# HELP a A.\n# TYPE a counter\na 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"y z\"} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total -1\n",
        "# HELP h A.\n# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 1\n",
    ] {
        assert!(std::panic::catch_unwind(|| read(bad)).is_err(), "{bad}");
    }
}
