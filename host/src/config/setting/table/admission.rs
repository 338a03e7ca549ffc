//! Settings of the section "Admission": who is let in, how often, and how long the others wait.

use super::super::words::{concurrency, instances, pressure, rate_limit, streams};
use super::super::{Repeat, Setting};
use super::{DAY, MILLISECOND, store};
use crate::config::units::{count, duration, percent};

const SECTION: &str = "Admission";

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "instances",
        value: "N",
        default: "1000",
        section: SECTION,
        help: "Instances alive at once, streams apart; `auto` is what the memory allows",
        repeat: Repeat::Once,
        set: |config, text| {
            let limits = config.limits;
            store(&mut config.admission.instances, instances(text, &limits))
        },
    },
    Setting {
        name: "concurrency",
        value: "N",
        default: "instances",
        section: SECTION,
        help: "Instances of one handler alive at once; `instances` is as many as there are",
        repeat: Repeat::Once,
        set: |config, text| {
            let instances = config.admission.instances;
            store(&mut config.admission.concurrency, concurrency(text, instances))
        },
    },
    Setting {
        name: "queue",
        value: "N",
        default: "1024",
        section: SECTION,
        help: "Requests that may wait for an instance; 0 refuses at once",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admission.queue_max, count(text, 0..=1_000_000)),
    },
    Setting {
        name: "queue-share",
        value: "PERCENT",
        default: "100%",
        section: SECTION,
        help: "What of the queue one handler's requests may take",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admission.queue_share_percent, percent(text, 1..=100)),
    },
    Setting {
        name: "queue-timeout",
        value: "TIME",
        default: "1s",
        section: SECTION,
        help: "How long a request may wait for an instance",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admission.queue_timeout, duration(text, MILLISECOND..=DAY)),
    },
    Setting {
        name: "max-streams",
        value: "N",
        default: "instances",
        section: SECTION,
        help: "Responses that stream at once, beside the instances; `instances` is as many again",
        repeat: Repeat::Once,
        set: |config, text| {
            let instances = config.admission.instances;
            store(&mut config.admission.streams_max, streams(text, instances))
        },
    },
    Setting {
        name: "rate-limit-client",
        value: "N/s[:BURST]",
        default: "off",
        section: SECTION,
        help: "Requests of one client in a second, minute (`/m`) or hour (`/h`), and at once, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admission.rate_client, rate_limit(text)),
    },
    Setting {
        name: "rate-limit-handler",
        value: "N/s[:BURST]",
        default: "off",
        section: SECTION,
        help: "The same for all clients of one handler together",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admission.rate_handler, rate_limit(text)),
    },
    Setting {
        name: "memory-pressure",
        value: "PERCENT",
        default: "92%",
        section: SECTION,
        help: "What of the memory there is may be taken before new requests are refused, or `off`",
        repeat: Repeat::Once,
        set: |config, text| store(&mut config.admission.memory_pressure_percent, pressure(text)),
    },
];
