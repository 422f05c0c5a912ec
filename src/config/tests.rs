//! What holds for every key and every configuration: the declarations agree with themselves, `to_toml` parses back,
//! and no input panics.

use std::fs;
use std::path::Path;

use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::{collection, option, sample};
use tempfile::NamedTempFile;

use super::relations::RELATIONS;
use super::{Config, ConfigError, ENVIRONMENT_PREFIX, Key, Rule, Setting, environment, keys};

fn load(toml: &[u8], env: &[(String, String)]) -> Result<Config, ConfigError> {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), toml).unwrap();
    Config::load(Some(file.path()), &env.iter().cloned().collect())
}

fn variable(name: &str, text: &str) -> (String, String) {
    (format!("{ENVIRONMENT_PREFIX}{name}"), text.to_owned())
}

#[test]
fn defaults_are_valid() {
    assert_eq!(Config::default().validate(), Ok(()));
    assert_eq!(Config::load(None, &Default::default()), Ok(Config::default()));
}

#[test]
fn names_of_numbers_end_with_their_unit() {
    for key in keys().filter(|key| ["ms", "s", "bytes"].contains(&key.unit)) {
        assert!(key.name.ends_with(&format!("_{}", key.unit)), "{}", key.path);
    }
}

#[test]
fn every_key_says_what_it_does_and_how_to_choose_it() {
    for key in keys() {
        assert!(key.doc.len() > 20 && key.choose.len() > 20, "{}", key.path);
        assert!(key.doc.ends_with('.') && key.choose.ends_with('.'), "{}", key.path);
    }
}

#[test]
fn types_take_the_ends_of_their_ranges() {
    for key in keys() {
        let ends = match key.rule {
            Rule::Integer { min, max } | Rule::PowerOfTwo { min, max } => {
                vec![Setting::Integer(min), Setting::Integer(max)]
            }
            Rule::Choice(choices) => choices.iter().map(|c| Setting::Text((*c).to_owned())).collect(),
            _ => Vec::new(),
        };
        for end in ends {
            let mut config = Config::default();
            assert!(key.write(&mut config, &end), "{} = {end}", key.path);
            assert_eq!(key.read(&config), end);
        }
    }
}

#[test]
fn relations_name_keys_that_exist() {
    for path in RELATIONS.iter().flat_map(|relation| relation.keys) {
        assert!(keys().any(|key| key.path == *path), "{path}");
    }
}

#[test]
fn validate_finds_what_load_finds() {
    let mut config = Config::default();
    config.ring.partitions = 100;
    config.replication.r = 4;
    let said = config.validate().unwrap_err().to_string();
    assert_eq!(
        said,
        "ring.partitions = 100 is out of range: must be a power of two in 8..=16384\n\
         replication.r = 4 is out of range: must be 1..=3 (replication.n = 3)"
    );
}

#[test]
fn environment_overrides_the_file() {
    let env = [
        variable("NODE__ZONE", "1"),
        variable("NODE__NAME", "'quoted'"),
        variable("CLUSTER__SEEDS", r#"["127.0.0.1:7401", "db2:7400"]"#),
        variable("BRIDGE__LISTEN", "127.0.0.1:7401"),
        variable("REPLICATION__SLOPPY", "false"),
        variable("STORAGE__CACHE_BYTES", "2_097_152"),
        ("SLIPRING_OTHER".to_owned(), "ignored".to_owned()),
    ];
    let config = load(b"[node]\nname = \"a\"\nweight = 2\n", &env).unwrap();
    assert_eq!(config.node.zone.as_deref(), Some("1"));
    assert_eq!(config.node.name, "quoted");
    assert_eq!(config.node.weight, 2);
    assert_eq!(config.cluster.seeds, ["127.0.0.1:7401", "db2:7400"]);
    assert!(!config.replication.sloppy);
    assert_eq!(config.storage.cache_bytes, 2 << 20);

    let unset = load(b"[node]\nzone = \"z\"\n", &[variable("NODE__ZONE", "")]).unwrap();
    assert_eq!(unset.node.zone, None);
}

#[test]
fn safe_ways_out_of_loopback_are_accepted() {
    let proxied = "[cluster]\ninsecure = true\n[http]\nlisten = \"0.0.0.0:8000\"\n";
    assert!(load(proxied.as_bytes(), &[]).is_ok());
    let named = "[cluster]\ninsecure = true\nseeds = [\"DB1:7400\"]\n\
                 [bridge]\nlisten = \"[::]:7400\"\nadvertise = \"db1:7400\"\n";
    assert!(load(named.as_bytes(), &[]).is_ok());
    let mapped = "[http]\nlisten = \"[::ffff:127.0.0.1]:8000\"\n";
    assert!(load(mapped.as_bytes(), &[]).is_ok());

    let secret = NamedTempFile::new().unwrap();
    fs::write(secret.path(), "0123456789abcdef").unwrap();
    let env = [
        variable("CLUSTER__SECRET_FILE", &secret.path().display().to_string()),
        variable("BRIDGE__LISTEN", "10.0.0.1:7400"),
    ];
    assert!(load(b"", &env).is_ok());
}

#[test]
fn derived_values_follow_their_keys() {
    let mut config = Config::default();
    assert_eq!(config.advertise_address(), "127.0.0.1:7400");
    config.bridge.advertise = Some("db1:7400".to_owned());
    assert_eq!(config.advertise_address(), "db1:7400");

    assert_eq!([0, 1, 2, 5, 8, 999].map(|cores| config.worker_threads(cores)), [1, 1, 1, 2, 4, 64]);
    config.node.workers = 3;
    assert_eq!(config.worker_threads(16), 3);
    assert_eq!(config.secret(), Ok(None));
    assert!(!environment().is_empty());
}

/// A value that the key's own rule allows.
fn allowed(rule: Rule) -> BoxedStrategy<Setting> {
    let text = |regex: &'static str| {
        let strategy = proptest::string::string_regex(regex).unwrap();
        strategy.prop_map(Setting::Text).boxed()
    };
    match rule {
        Rule::Switch => any::<bool>().prop_map(Setting::Switch).boxed(),
        Rule::Integer { min, max } => (min..=max).prop_map(Setting::Integer).boxed(),
        Rule::PowerOfTwo { min, max } => {
            (min.ilog2()..=max.ilog2()).prop_map(|exponent| Setting::Integer(1 << exponent)).boxed()
        }
        Rule::Choice(choices) => sample::select(choices).prop_map(|choice| Setting::Text(choice.to_owned())).boxed(),
        Rule::Name { optional: false } => text("[a-z0-9-]{1,63}"),
        Rule::Name { optional: true } => text("[a-z0-9-]{0,63}"),
        // An optional path is that of the secret, which has to exist: see `valid_config`.
        Rule::Path { optional: true } => Just(Setting::Text(String::new())).boxed(),
        Rule::Path { optional: false } => text("[^\\p{Cc}]{1,40}"),
        Rule::Listen => text("(127\\.0\\.0\\.[1-9]|\\[::1\\]|10\\.1\\.[1-9]\\.1):[1-9][0-9]{3}"),
        Rule::Address => text("|[a-z][a-z0-9-]{0,20}(\\.[a-z]{2,5})?:[1-9][0-9]{0,3}"),
        Rule::Origins => collection::btree_set("https?://[a-z]{1,9}(:[1-9][0-9]{0,3}|:[*])?", 0..5)
            .prop_map(|origins| Setting::List(origins.into_iter().collect()))
            .boxed(),
        Rule::Addresses => collection::btree_set("[a-z]{1,9}:[1-9][0-9]{0,3}", 0..5)
            .prop_map(|items| Setting::List(items.into_iter().collect()))
            .boxed(),
        Rule::Filter => text("(info|warn|debug|error)(,slipring(::[a-z]{1,5})?=trace)?"),
    }
}

/// Values for all keys, made to agree with each other.
fn valid_config(secret: &Path) -> impl Strategy<Value = Config> {
    let all: Vec<&'static Key> = keys().collect();
    let settings: Vec<_> = all.iter().map(|key| allowed(key.rule)).collect();
    let secret = option::of(Just(secret.to_owned()));
    (settings, secret).prop_map(move |(settings, secret)| {
        let mut config = Config::default();
        for (key, setting) in all.iter().zip(&settings) {
            assert!(key.write(&mut config, setting), "{} = {setting}", key.path);
        }
        config.cluster.secret_file = secret;
        config.cluster.insecure = true;
        let replication = &mut config.replication;
        replication.r = replication.r.min(replication.n);
        replication.w = replication.w.min(replication.n);
        let limits = &mut config.limits;
        limits.siblings_warn = limits.siblings_warn.min(limits.siblings_max);
        let handoff = &mut config.hinted_handoff;
        handoff.rate_min = handoff.rate_min.min(handoff.rate_max);
        let detection = &mut config.failure_detection;
        detection.probe_timeout_ms = detection.probe_timeout_ms.min(detection.probe_interval_ms / 3);
        let other_port = config.bridge.listen.port() + 1;
        config.http.listen.set_port(other_port);
        let own = config.advertise_address();
        let founders = &mut config.cluster.founders;
        if !founders.is_empty() && !founders.contains(&own) {
            founders.push(own);
        }
        if !config.cluster.founders.is_empty() {
            config.cluster.seeds.clear();
        }
        config
    })
}

#[test]
fn effective_configuration_parses_back_to_itself() {
    let secret = NamedTempFile::new().unwrap();
    fs::write(secret.path(), "not shown to anybody").unwrap();
    proptest!(|(config in valid_config(secret.path()))| {
        prop_assert_eq!(config.validate(), Ok(()));
        let toml = config.to_toml();
        prop_assert!(!toml.contains("not shown"));
        prop_assert_eq!(load(toml.as_bytes(), &[]), Ok(config));
    });
}

/// Text that gets past the parser more often than noise does.
fn nearly_toml() -> impl Strategy<Value = String> {
    let names = ["[node]", "[ring]", "[[log]]", "name", "listen", "seeds", "partitions", "r", "a.b"];
    let values = ["=", "1", "-7", "99999999999999999999", "\"x\"", "'''", "[", "]", "{", "}", "1.5", "é", "#", "\n"];
    let token = sample::select([names.as_slice(), values.as_slice()].concat());
    collection::vec(token, 0..24).prop_map(|tokens| tokens.join(" "))
}

proptest! {
    #[test]
    fn no_file_panics(toml in nearly_toml(), noise in collection::vec(any::<u8>(), 0..64)) {
        for bytes in [toml.as_bytes(), &noise] {
            if let Err(error) = load(bytes, &[]) {
                let lines = error.to_string().lines().count();
                prop_assert_eq!(lines, error.problems.len());
            }
        }
    }

    #[test]
    fn no_variable_panics(position in 0..keys().count(), name in ".{0,20}", text in nearly_toml(), noise in ".*") {
        let known = keys().nth(position).unwrap().variable();
        let env = [variable(&name, &text), (known, noise)];
        if let Err(error) = Config::load(None, &env.into()) {
            let lines = error.to_string().lines().count();
            prop_assert_eq!(lines, error.problems.len());
        }
    }
}
