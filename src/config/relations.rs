//! What keys demand of each other, and of the world outside of the file.
//!
//! Each [`Relation`] names the keys it looks at. It is skipped when one of them is broken on its own, because it
//! would then judge a value that nobody wrote.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::setting::Field;
use super::{Config, Fault, Origin, Problem, Secret, read_access_keys};

/// Where each key that is set was written, by its path.
pub(super) type Origins = BTreeMap<&'static str, Origin>;

pub(super) struct Relation {
    /// The key it is about, and then those it is compared with.
    pub(super) keys: &'static [&'static str],
    check: fn(&View) -> Option<Fault>,
}

/// A configuration, and what is known about where it comes from.
struct View<'a> {
    config: &'a Config,
    origins: Option<&'a Origins>,
}

impl View<'_> {
    /// The value as a problem shows it: one that the operator will not find in the file is marked.
    fn shown(&self, path: &str, value: &impl Field) -> String {
        let value = value.to_setting();
        match self.origins {
            Some(origins) if !origins.contains_key(path) => format!("{value} (default)"),
            _ => value.to_string(),
        }
    }
}

pub(super) const RELATIONS: &[Relation] = &[
    Relation {
        keys: &["replication.r", "replication.n"],
        check: |view| quorum(view, "replication.r", view.config.replication.r),
    },
    Relation {
        keys: &["replication.w", "replication.n"],
        check: |view| quorum(view, "replication.w", view.config.replication.w),
    },
    Relation { keys: &["limits.siblings_warn", "limits.siblings_max"], check: siblings },
    Relation { keys: &["hinted_handoff.rate_min", "hinted_handoff.rate_max"], check: handoff_rates },
    Relation {
        keys: &["failure_detection.probe_timeout_ms", "failure_detection.probe_interval_ms"],
        check: probes_have_time,
    },
    Relation { keys: &["cluster.secret_file"], check: secret_file },
    Relation { keys: &["bridge.listen", "cluster.insecure", "cluster.secret_file"], check: safe_bridge },
    Relation { keys: &["http.access_keys_file"], check: access_keys },
    Relation { keys: &["http.listen", "cluster.insecure", "http.access_keys_file"], check: safe_http },
    Relation { keys: &["http.cors_origins", "http.access_keys_file"], check: safe_origins },
    Relation { keys: &["http.listen", "bridge.listen"], check: listeners_differ },
    Relation { keys: &["bridge.listen", "bridge.advertise"], check: advertise_is_known },
    Relation { keys: &["cluster.founders", "bridge.advertise", "bridge.listen"], check: founders_hold_self },
    Relation { keys: &["cluster.seeds", "cluster.founders"], check: founds_or_joins },
];

/// What is wrong between the keys of `config`, apart from those in `broken`.
pub(super) fn violations(config: &Config, origins: Option<&Origins>, broken: &[&str]) -> Vec<Problem> {
    let view = View { config, origins };
    let whole = |relation: &&Relation| !relation.keys.iter().any(|key| broken.contains(key));
    let problem = |relation: &Relation| {
        let fault = (relation.check)(&view)?;
        let origin = origins.and_then(|origins| relation.keys.iter().find_map(|k| origins.get(k)));
        Some(Problem { origin: origin.cloned(), fault })
    };
    RELATIONS.iter().filter(whole).filter_map(problem).collect()
}

fn quorum(view: &View, path: &str, replicas: usize) -> Option<Fault> {
    let n = view.config.replication.n;
    (replicas > n).then(|| Fault::OutOfRange {
        key: path.to_owned(),
        value: view.shown(path, &replicas),
        allowed: format!("1..={n} (replication.n = {})", view.shown("replication.n", &n)),
    })
}

fn siblings(view: &View) -> Option<Fault> {
    let (warn, max) = (view.config.limits.siblings_warn, view.config.limits.siblings_max);
    let shown_max = view.shown("limits.siblings_max", &max);
    (warn > max).then(|| Fault::OutOfRange {
        key: "limits.siblings_warn".to_owned(),
        value: view.shown("limits.siblings_warn", &warn),
        allowed: format!("1..={max} (limits.siblings_max = {shown_max})"),
    })
}

fn handoff_rates(view: &View) -> Option<Fault> {
    let (min, max) = (view.config.hinted_handoff.rate_min, view.config.hinted_handoff.rate_max);
    let shown_max = view.shown("hinted_handoff.rate_max", &max);
    (min > max).then(|| Fault::OutOfRange {
        key: "hinted_handoff.rate_min".to_owned(),
        value: view.shown("hinted_handoff.rate_min", &min),
        allowed: format!("1..={max} (hinted_handoff.rate_max = {shown_max})"),
    })
}

/// A probe has to go out, and then out again through others and back, before the next one.
fn probes_have_time(view: &View) -> Option<Fault> {
    let detection = &view.config.failure_detection;
    let (timeout, interval) = (detection.probe_timeout_ms, detection.probe_interval_ms);
    let shown_interval = view.shown("failure_detection.probe_interval_ms", &interval);
    (timeout.saturating_mul(3) > interval).then(|| Fault::OutOfRange {
        key: "failure_detection.probe_timeout_ms".to_owned(),
        value: view.shown("failure_detection.probe_timeout_ms", &timeout),
        allowed: format!("1..={} (a third of failure_detection.probe_interval_ms = {shown_interval})", interval / 3),
    })
}

fn secret_file(view: &View) -> Option<Fault> {
    let path = view.config.cluster.secret_file.as_deref()?;
    Secret::read(path).err().map(|source| Fault::Secret {
        value: view.shown("cluster.secret_file", &view.config.cluster.secret_file),
        source,
    })
}

fn access_keys(view: &View) -> Option<Fault> {
    let path = view.config.http.access_keys_file.as_deref()?;
    read_access_keys(path).err().map(|source| Fault::AccessKeys {
        value: view.shown("http.access_keys_file", &view.config.http.access_keys_file),
        source,
    })
}

fn safe_bridge(view: &View) -> Option<Fault> {
    let (listen, cluster) = (view.config.bridge.listen, &view.config.cluster);
    let safe = is_loopback(listen) || cluster.insecure || cluster.secret_file.is_some();
    (!safe).then(|| Fault::UnsafeBind {
        key: "bridge.listen".to_owned(),
        value: view.shown("bridge.listen", &listen),
        remedy: "listen on 127.0.0.1, set cluster.secret_file, or accept it with cluster.insecure = true",
    })
}

fn safe_http(view: &View) -> Option<Fault> {
    let listen = view.config.http.listen;
    let safe = is_loopback(listen) || view.config.cluster.insecure || view.config.http.access_keys_file.is_some();
    (!safe).then(|| Fault::UnsafeBind {
        key: "http.listen".to_owned(),
        value: view.shown("http.listen", &listen),
        remedy: "listen on 127.0.0.1, set http.access_keys_file, or accept it with cluster.insecure = true",
    })
}

/// A page in the browser of somebody who can reach the node is behind every firewall.
fn safe_origins(view: &View) -> Option<Fault> {
    let http = &view.config.http;
    let any = http.cors_origins.iter().any(|origin| origin == "*");
    (any && http.access_keys_file.is_none())
        .then(|| Fault::UnsafeOrigins { value: view.shown("http.cors_origins", &http.cors_origins) })
}

fn listeners_differ(view: &View) -> Option<Fault> {
    let (http, bridge) = (view.config.http.listen, view.config.bridge.listen);
    let any = http.ip().is_unspecified() || bridge.ip().is_unspecified();
    let same = http.port() == bridge.port() && (any || http.ip() == bridge.ip());
    // Port 0 is a different port each time.
    (same && http.port() != 0).then(|| Fault::SameAddress {
        value: view.shown("http.listen", &http),
        bridge: view.shown("bridge.listen", &bridge),
    })
}

fn advertise_is_known(view: &View) -> Option<Fault> {
    let bridge = &view.config.bridge;
    let unknown = bridge.listen.ip().is_unspecified() && bridge.advertise.is_none();
    unknown.then(|| Fault::AdvertiseMissing { value: view.shown("bridge.listen", &bridge.listen) })
}

fn founds_or_joins(view: &View) -> Option<Fault> {
    let cluster = &view.config.cluster;
    (!cluster.seeds.is_empty() && !cluster.founders.is_empty()).then(|| Fault::SeedsAndFounders {
        seeds: view.shown("cluster.seeds", &cluster.seeds),
        founders: view.shown("cluster.founders", &cluster.founders),
    })
}

fn founders_hold_self(view: &View) -> Option<Fault> {
    let (founders, bridge) = (&view.config.cluster.founders, &view.config.bridge);
    let own = view.config.advertise_address();
    // advertise_is_known speaks about that case; the list cannot hold such an address anyway.
    let known = bridge.advertise.is_some() || !bridge.listen.ip().is_unspecified();
    let lacking = !founders.is_empty() && !founders.iter().any(|founder| founder.eq_ignore_ascii_case(&own));
    (known && lacking).then(|| Fault::FoundersWithoutSelf {
        value: view.shown("cluster.founders", founders),
        own: own.to_setting().to_string(),
        own_key: match bridge.advertise {
            Some(_) => "bridge.advertise",
            None => "bridge.listen",
        },
    })
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
