//! Clients of HTTP/2 that flood: whatever they send, the host holds no more for it, everyone else is
//! served, and where the protocol has a word for it the flood is told to go.

use crate::harness::frames::{ACK, END_HEADERS, END_STREAM};
use crate::harness::{Frame, Frames, H2, Server, Witness, guest, head, kind, literal};
use std::io::Write;
use std::time::{Duration, Instant};

/// Frames of one flood.
const FRAMES: u32 = 100_000;
/// What a host may have grown by after one: what it needs for a connection, and what its allocator keeps.
const GROWTH_MAX_KIB: usize = 16 * 1024;

/// Error codes of RFC 9113 §7.
const FLOW_CONTROL_ERROR: u32 = 3;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What came of a flood.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The host said GOAWAY with this code, and closed.
    Told(u32),
    /// The host closed without a word that arrived.
    Closed,
    /// The connection still answers.
    Alive,
}

/// What one client saw.
struct Seen {
    end: End,
    /// Frames that the host sent, by what the test counts.
    counted: usize,
}

/// A host under attack, and a witness of what the others get.
struct Siege {
    server: Server,
    witness: Witness,
    resident_kib: usize,
}

impl Siege {
    #[track_caller]
    fn begin(component: &str, arguments: &[&str]) -> Self {
        let server = Server::start(&guest(component), arguments);
        // What is needed once is there before memory is looked at.
        for _ in 0..3 {
            H2::open(&server.client()).get("/").assert_ok();
        }
        let resident_kib = server.holdings().resident_kib;
        let witness = Witness::start(server.client());
        Self { server, witness, resident_kib }
    }

    /// Sends `before` and then what `flood` makes of 1, 2, 3 and so on, reading all the while and counting
    /// the frames that `counts`.
    #[track_caller]
    fn flood(
        &self,
        before: &[Frame],
        flood: impl Fn(u32) -> Vec<Frame>,
        counts: impl Fn(&Frame) -> bool + Send + 'static,
    ) -> Seen {
        const LAST: [u8; 8] = *b"the last";
        let mut client = Frames::open(&self.server.client());
        let mut reader = Frames { stream: client.stream.try_clone().expect("a second handle") };
        let reader = std::thread::spawn(move || {
            let (mut end, mut counted) = (End::Closed, 0);
            while let Some(frame) = reader.next() {
                counted += usize::from(counts(&frame));
                if frame.kind == kind::GOAWAY {
                    end = End::Told(frame.code());
                } else if (frame.kind, frame.flags) == (kind::PING, ACK) && frame.payload == LAST {
                    return Seen { end: End::Alive, counted };
                }
            }
            Seen { end, counted }
        });
        let mut bytes: Vec<u8> = before.iter().flat_map(Frame::bytes).collect();
        let mut frames = 0;
        for number in 1.. {
            for frame in flood(number) {
                bytes.extend(frame.bytes());
                frames += 1;
            }
            let last = frames >= FRAMES;
            if (bytes.len() > 16 * 1024 || last)
                && client.stream.write_all(&std::mem::take(&mut bytes)).is_err()
            {
                break;
            }
            if last {
                client.send(&Frame::new(kind::PING, 0, 0, LAST));
                break;
            }
        }
        let seen = reader.join().expect("reader");
        self.assert_flat(&format!("{frames} frames sent, {} counted, {:?}", seen.counted, seen.end));
        seen
    }

    #[track_caller]
    fn assert_flat(&self, what: &str) {
        let grown = self.server.holdings().resident_kib.saturating_sub(self.resident_kib);
        println!("{what}: {grown} KiB more resident");
        assert!(grown < GROWTH_MAX_KIB, "{grown} KiB more");
    }

    #[track_caller]
    fn end(self) {
        self.server.wait_idle();
        self.witness.assert_all_succeeded();
        H2::open(&self.server.client()).get("/").assert_ok();
        assert!(self.server.log.lines_with("panic").is_empty());
        self.server.stop();
    }
}

/// The stream that a client opens as its `number`th.
fn stream(number: u32) -> u32 {
    2 * number - 1
}

/// A POST of which more is to come.
fn open_post(stream: u32, path: &str) -> Frame {
    Frame::new(kind::HEADERS, END_HEADERS, stream, head("POST", path))
}

/// Row 44, CVE-2023-44487: requests that are taken back at once.
#[test]
fn rapid_reset_is_told_to_go() {
    let siege = Siege::begin("hello", &[]);
    let seen = siege.flood(
        &[],
        |number| vec![Frame::get(stream(number), "/"), Frame::reset(stream(number))],
        |_| false,
    );
    assert!(matches!(seen.end, End::Told(ENHANCE_YOUR_CALM) | End::Closed), "{:?}", seen.end);
    siege.end();
}

/// Row 45, CVE-2025-8671: mistakes that make the host take its streams back.
#[test]
fn provoked_resets_are_told_to_go() {
    let siege = Siege::begin("hello", &[]);
    for mistake in [
        |stream| Frame::window(stream, 0),
        |stream| Frame::window(stream, 0x7fff_ffff),
        // Data after the end.
        |stream| Frame::new(kind::DATA, END_STREAM, stream, [0; 8]),
    ] {
        let seen = siege.flood(
            &[],
            |number| {
                let open = if number % 2 == 0 {
                    |stream| open_post(stream, "/")
                } else {
                    |stream| Frame::get(stream, "/")
                };
                vec![open(stream(number)), mistake(stream(number)), mistake(stream(number))]
            },
            |frame| frame.kind == kind::RST_STREAM,
        );
        assert!(matches!(seen.end, End::Told(_) | End::Closed), "{:?}", seen.end);
        assert!(seen.counted <= 2048, "{} resets", seen.counted);
    }
    siege.end();
}

/// Row 46: a header block that never ends.
#[test]
fn continuation_flood_is_told_to_go() {
    let siege = Siege::begin("hello", &[]);
    let begin = Frame::new(kind::HEADERS, 0, 1, head("GET", "/"));
    for block in [Vec::new(), literal("x", "y"), vec![0; 1], literal("x", &"y".repeat(100)).repeat(100)] {
        let more = |_| vec![Frame::new(kind::CONTINUATION, 0, 1, block.clone())];
        let seen = siege.flood(std::slice::from_ref(&begin), more, |_| false);
        assert!(matches!(seen.end, End::Told(_) | End::Closed), "{:?}", seen.end);
    }
    siege.end();
}

/// Row 46: a few bytes that stand for a field of 3.9 KB, thousands of times.
#[test]
fn hpack_bomb_is_told_to_go() {
    let siege = Siege::begin("hello", &[]);
    // RFC 7541 §6.2.1: to be remembered, as entry 62. The length is 127 + 3773, in a varint of 7 bits.
    let mut remembered = [head("GET", "/").as_slice(), &[0x40, 6], b"x-bomb", &[0x7f]].concat();
    let more = 3773;
    remembered.extend([(more % 128 + 128) as u8, (more / 128) as u8]);
    remembered.extend(vec![b'a'; 127 + more]);
    let first = Frame::new(kind::HEADERS, END_HEADERS | END_STREAM, 1, remembered);
    let block = [head("GET", "/"), vec![0x80 | 62; 15_000]].concat();
    let bomb = |number| {
        let block = Frame::new(kind::HEADERS, END_HEADERS | END_STREAM, stream(number + 1), block.clone());
        // It stands for many: a thousand bombs are a flood.
        let fill = (0..99).map(|_| Frame::window(0, 1));
        std::iter::once(block).chain(fill).collect()
    };
    let seen = siege.flood(&[first], bomb, |_| false);
    assert!(matches!(seen.end, End::Told(ENHANCE_YOUR_CALM) | End::Closed), "{:?}", seen.end);
    siege.end();
}

/// Row 47: frames that carry nothing, or next to nothing, for a guest that does not read.
#[test]
fn floods_of_empty_data_are_told_to_go() {
    let siege = Siege::begin("mixed", &[]);
    for length in [0, 1] {
        let data = vec![0; length];
        let post = open_post(1, "/sleep");
        let more = |_| vec![Frame::new(kind::DATA, 0, 1, data.clone())];
        let seen = siege.flood(&[post], more, |_| false);
        assert!(
            matches!(seen.end, End::Told(ENHANCE_YOUR_CALM | FLOW_CONTROL_ERROR) | End::Closed),
            "{length}: {:?}",
            seen.end
        );
    }
    siege.end();
}

/// Row 48: what has to be acknowledged is, and costs nothing beyond that.
#[test]
fn settings_pings_and_windows_are_answered_from_flat_memory() {
    let siege = Siege::begin("hello", &[]);
    // SETTINGS_HEADER_TABLE_SIZE, up and down: each change is one for the encoder, too.
    let settings = |number: u32| [&[0, 1][..], &(number % 2 * 4096).to_be_bytes()].concat();
    let seen = siege.flood(
        &[],
        |number| vec![Frame::new(kind::SETTINGS, 0, 0, settings(number))],
        |frame| (frame.kind, frame.flags) == (kind::SETTINGS, ACK),
    );
    assert!(seen.end != End::Alive || seen.counted > FRAMES as usize, "{:?} {}", seen.end, seen.counted);
    let seen = siege.flood(
        &[],
        |number| vec![Frame::new(kind::PING, 0, 0, u64::from(number).to_be_bytes())],
        |frame| (frame.kind, frame.flags) == (kind::PING, ACK),
    );
    assert!(seen.end != End::Alive || seen.counted > FRAMES as usize, "{:?} {}", seen.end, seen.counted);
    siege.flood(&[], |_| vec![Frame::window(0, 1)], |_| false);
    // RFC 9113 §5.5: what nobody knows is ignored.
    siege.flood(&[], |_| vec![Frame::new(0xfa, 0xff, 7, [0; 64])], |_| false);
    siege.end();
}

/// Row 48: who asks and never reads the answers is not written to for ever.
#[test]
fn pings_without_a_reader_end_the_connection() {
    let siege = Siege::begin("hello", &["--write-timeout", "1s"]);
    let mut client = Frames::open(&siege.server.client());
    let pings = Frame::new(kind::PING, 0, 0, [0; 8]).bytes().repeat(1000);
    let began = Instant::now();
    let mut sent = 0;
    while client.send_bytes(&pings) {
        sent += 1000;
        assert!(began.elapsed() < Duration::from_secs(60), "still taken after {sent}");
    }
    siege.assert_flat(&format!("{sent} pings in {:?}", began.elapsed()));
    siege.end();
}

/// Row 49: more streams than there may be are refused one by one, and those that are there go on.
#[test]
fn streams_beyond_the_limit_are_refused() {
    let siege = Siege::begin("mixed", &["--max-concurrent-streams", "10", "--timeout", "2s"]);
    let mut client = Frames::open(&siege.server.client());
    // Only what is told may be counted on: the client waits for the host's settings.
    client.find(|frame| frame.kind == kind::SETTINGS && frame.flags == 0).expect("settings");
    client.send(&Frame::new(kind::SETTINGS, ACK, 0, []));
    for number in 1..=15 {
        client.send(&Frame::get(stream(number), "/sleep"));
    }
    let mut refused = Vec::new();
    let mut answered = Vec::new();
    while refused.len() + answered.len() < 15 {
        let frame = client.next().expect("the connection stays");
        match frame.kind {
            kind::RST_STREAM => refused.push((frame.stream, frame.code())),
            kind::HEADERS => answered.push(frame.stream),
            _ => {}
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, (1..=10).map(stream).collect::<Vec<_>>());
    assert_eq!(refused, (11..=15).map(|number| (stream(number), REFUSED_STREAM)).collect::<Vec<_>>());

    let seen = siege.flood(&[], |number| vec![open_post(stream(number), "/sleep")], |_| false);
    assert!(matches!(seen.end, End::Told(ENHANCE_YOUR_CALM) | End::Closed), "{:?}", seen.end);
    siege.end();
}

/// Row 49: what a client may send before anyone reads it is bounded for a stream and for all of them.
#[test]
fn bodies_that_nobody_reads_are_held_back() {
    const PARTS: usize = 100;
    let siege = Siege::begin("mixed", &[]);
    let mut client = Frames::open(&siege.server.client());
    client.send(&open_post(1, "/sleep"));
    let mut sent = 0;
    // Within the window of the stream: taken. Beyond: an error of its own.
    for _ in 0..PARTS {
        client.send(&Frame::new(kind::DATA, 0, 1, vec![0; 16 * 1024]));
        sent += 16;
    }
    // What the host had not read when it closed may cost the client its last word.
    if let Some(end) = client.find(|frame| matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY)) {
        assert_eq!(end.code(), FLOW_CONTROL_ERROR, "after {sent} KiB");
    }
    siege.assert_flat(&format!("{sent} KiB for nobody"));
    drop(client);
    siege.end();
}
