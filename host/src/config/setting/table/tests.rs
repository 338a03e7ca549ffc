//! What every setting promises, and both sides of every limit.

use std::collections::HashSet;

use proptest::prelude::*;

use super::super::words::CONNECTIONS_MAX;
use super::super::{Setting, defaults};
use super::*;
use crate::config::CacheConfig;
use crate::config::units::MIB;

fn setting(name: &str) -> &'static Setting {
    Setting::find(name).unwrap()
}

#[test]
fn defaults_parse() {
    let config = defaults();
    // What stands in for an empty list is stored where it is empty.
    assert_eq!(config.net.listen, []);
    for list in SETTINGS.iter().filter(|setting| setting.repeats() && !setting.default.is_empty()) {
        assert_eq!(list.check(list.default), Ok(()), "{}", list.name);
    }
    assert_eq!(config.admission.instances.get(), 1000);
    assert_eq!(config.admission.concurrency.get(), 1000);
    assert_eq!((config.admission.streams_max, config.admission.queue_share()), (1000, 1024));
    assert_eq!(config.admission.queue_timeout, Duration::from_secs(1));
    assert_eq!(config.limits.memory_bytes_max, 128 * MIB);
    assert_eq!(config.limits.fuel, None);
    assert!((1..=CONNECTIONS_MAX).contains(&config.net.connections_max));
    assert_eq!(config.compile.cache, CacheConfig::Default);
    assert!(config.grants.env.is_empty() && config.grants.outbound.is_empty());
}

#[test]
fn names_are_unique_and_spell_a_flag() {
    let mut seen = HashSet::new();
    for setting in SETTINGS {
        assert!(seen.insert(setting.name), "{}", setting.name);
        assert!(setting.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
        assert!(!setting.value.is_empty() && !setting.help.is_empty());
    }
}

#[test]
fn settings_of_a_section_stand_together() {
    let mut seen = HashSet::new();
    for group in SETTINGS.chunk_by(|one, next| one.section == next.section) {
        assert!(seen.insert(group[0].section), "{}", group[0].section);
    }
}

#[test]
fn zero_instances_is_refused() {
    let refusal = setting("instances").check("0").unwrap_err();
    assert_eq!(refusal.to_string(), "expected a whole number from 1 to 100000, or `auto`");
}

#[test]
fn every_limit_holds_on_both_sides() {
    let cases = [
        ("admin", ["off", "127.0.0.1:0"], ["on", "localhost:8081"]),
        ("admin-token", ["sixteen-chars-ok", "a.b_c~d+e/f=g-h0"], ["fifteen-chars-1", "sixteen chars ok"]),
        ("threads", ["1", "1024"], ["0", "1025"]),
        ("max-connections", ["1", "100000"], ["0", "100001"]),
        ("drain-delay", ["0s", "24h"], ["-1s", "86400001ms"]),
        ("drain-timeout", ["0s", "24h"], ["-1s", "86400001ms"]),
        ("instances", ["1", "100000"], ["0", "100001"]),
        ("concurrency", ["1", "100000"], ["0", "100001"]),
        ("queue", ["0", "1000000"], ["-1", "1000001"]),
        ("queue-share", ["1%", "100%"], ["0%", "101%"]),
        ("max-streams", ["0", "100000"], ["-1", "100001"]),
        ("rate-limit-client", ["1/s", "1000000/h:1000000"], ["0/s", "1/s:1000001"]),
        ("rate-limit-handler", ["off", "1/m:1"], ["1000001/s", "1/d"]),
        ("memory-pressure", ["1%", "off"], ["0%", "101%"]),
        ("queue-timeout", ["1ms", "24h"], ["999us", "86400001ms"]),
        ("tls-cert", ["off", "cert.pem"], ["", "a\0b"]),
        ("tls-key", ["off", "key.pem"], ["", "a\0b"]),
        ("tls-client-ca", ["off", "clients.pem"], ["", "a\0b"]),
        ("handshake-timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("max-handshakes", ["1", "100000"], ["0", "100001"]),
        ("trusted-proxies", ["::1", "0.0.0.0/0"], ["10.0.0.0/33", "10.0.0.1/8"]),
        ("forwarded-by", ["x-forwarded", "forwarded"], ["", "via"]),
        ("max-body", ["0", "1TiB"], ["-1", "1025GiB"]),
        ("max-uri", ["64", "60KiB"], ["63", "61441"]),
        ("max-header", ["1KiB", "256KiB"], ["1023", "262145"]),
        ("max-concurrent-streams", ["1", "10000"], ["0", "10001"]),
        ("header-timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("idle-timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("body-timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("cpu-time", ["1ms", "24h"], ["0s", "25h"]),
        ("slice", ["100us", "1s"], ["99us", "1001ms"]),
        ("fuel", ["1", "18446744073709551615"], ["0", "18446744073709551616"]),
        ("memory", ["64KiB", "4GiB"], ["65535", "4294967297"]),
        ("max-stack", ["64KiB", "8MiB"], ["65535", "8388609"]),
        ("max-handles", ["16", "1000000"], ["15", "1000001"]),
        ("max-hostcall", ["64KiB", "128MiB"], ["65535", "134217729"]),
        ("max-random", ["4KiB", "64MiB"], ["4095", "67108865"]),
        ("max-fields", ["1KiB", "512KiB"], ["1023", "524289"]),
        ("max-outbound", ["0", "1000"], ["-1", "1001"]),
        ("max-outbound-total", ["0", "100000"], ["-1", "100001"]),
        ("reuse", ["off", "1000000"], ["0", "1000001"]),
        ("reuse-concurrency", ["1", "1000"], ["0", "1001"]),
        ("reuse-idle", ["1ms", "24h"], ["0s", "25h"]),
        ("reuse-memory", ["64KiB", "4GiB"], ["65535", "4294967297"]),
        ("warm", ["0", "10000"], ["-1", "10001"]),
        ("warm-age", ["1ms", "24h"], ["0s", "25h"]),
        ("write-timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("busy-after", ["0s", "24h"], ["-1s", "25h"]),
        ("hog-after", ["0s", "24h"], ["-1s", "25h"]),
        ("busy-nice", ["0", "19"], ["-1", "20"]),
        ("hog-priority", ["idle", "19"], ["20", "low"]),
        ("pin-threads", ["on", "off"], ["", "yes"]),
        ("watch", ["on", "off"], ["", "yes"]),
        ("max-log", ["0", "64MiB"], ["-1", "67108865"]),
        ("log-format", ["human", "json"], ["", "xml"]),
        ("cache", ["off", "/tmp/code"], ["", "a\0b"]),
        ("cache-size", ["1MiB", "64GiB"], ["1023KiB", "65GiB"]),
        ("compile-timeout", ["1s", "1h"], ["999ms", "61m"]),
        ("compile-memory", ["256MiB", "1TiB"], ["255MiB", "1025GiB"]),
        ("compile-jobs", ["1", "64"], ["0", "65"]),
        ("code-profile", ["latency", "compute"], ["", "fast"]),
        ("env", ["A=", "A=b=c"], ["A", "=b"]),
        ("state", ["off", "/tmp/state"], ["", "a\0b"]),
        ("versions-kept", ["1", "1000"], ["0", "1001"]),
        ("max-component", ["1KiB", "512MiB"], ["1023", "513MiB"]),
        ("upload-timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("canary-window", ["1s", "24h"], ["999ms", "25h"]),
        ("canary-max-failures", ["0%", "100%"], ["-1%", "101%"]),
        ("canary-min-requests", ["1", "1000000"], ["0", "1000001"]),
        ("listen", ["[::1]:0", "0.0.0.0:65535"], ["localhost:80", "127.0.0.1:65536"]),
        ("listen", ["auto", "unix:/run/a.sock"], ["unix:", "off"]),
        ("middleware", ["auth.wasm", "/srv/auth.wasm"], ["", "off"]),
        ("middleware", ["oci://a.example/b", "oci://a.example:1/b/c:d"], ["oci://a.example", "oci://a/B"]),
        ("oci-plain-http", ["a.example", "10.0.0.1:5000"], ["", "http://a.example"]),
        ("oci-timeout", ["1ms", "24h"], ["0s", "25h"]),
        ("require-signature", ["key.pub", "/etc/keys/a.pub"], ["", "off"]),
        ("allow-outbound", ["a:1", "a:65535"], ["a:0", "a:65536"]),
    ];
    for (name, accepted, refused) in cases {
        for text in accepted {
            assert_eq!(setting(name).check(text), Ok(()), "{name} {text}");
        }
        for text in refused {
            let refusal = setting(name).check(text).unwrap_err();
            assert!(refusal.expected.starts_with("expected "), "{name} {text}: {refusal}");
        }
    }
    let tested: HashSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    for setting in SETTINGS {
        assert!(tested.contains(setting.name), "`{}` has no row here", setting.name);
    }
}

#[test]
fn words_follow_the_values_that_stand_before_them() {
    let place = |name| SETTINGS.iter().position(|setting| setting.name == name).unwrap();
    assert!(place("memory").max(place("max-stack")) < place("instances"));
    assert!(place("instances") < place("concurrency").min(place("max-streams")));
}

#[test]
fn repeated_variable_is_refused_by_name() {
    let mut config = defaults();
    setting("env").store(&mut config, "TOKEN=a").unwrap();
    let refusal = setting("env").store(&mut config, "TOKEN=b").unwrap_err();
    assert_eq!(refusal.to_string(), "expected `TOKEN` only once");
}

proptest! {
    #[test]
    fn no_value_panics_and_no_refusal_misleads(text in "\\PC*", index in 0..SETTINGS.len()) {
        if let Err(Refusal { example: Some(example), .. }) = SETTINGS[index].check(&text) {
            prop_assert_eq!(SETTINGS[index].check(&example), Ok(()));
        }
    }
}
