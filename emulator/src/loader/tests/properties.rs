//! Whatever comes over the line: no panic, bounded memory, time that moves on.

use bl702_protocol::time::Nanos;
use proptest::prelude::*;

use super::{Bench, request, us};
use crate::line::Burst;
use crate::module::Running;

/// One thing that a host does.
#[derive(Clone, Debug)]
enum Deed {
    Noise { baud_bps: u32, bytes: Vec<u8>, gap_us: u64 },
    Command { id: u8, payload: Vec<u8>, gap_us: u64 },
    Handshake,
    Silence { ms: u64 },
}

fn deed() -> impl Strategy<Value = Deed> {
    let ids = [
        0x10, 0x30, 0x31, 0x32, 0x34, 0x36, 0x37, 0x38, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x40, 0x41, 0x42, 0x50,
        0x51, 0x60, 0x61, 0x71, 0x22, 0x55, 0x00,
    ];
    let payload = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..24),
        proptest::collection::vec(0..3_u8, 8),
        proptest::collection::vec(any::<u8>(), 88),
        (any::<u32>(), 0..0x3000_u32)
            .prop_map(|(address, length)| super::words(&[address & 0x1f_ffff, length])),
        (0x4202_4000..0x4202_b000_u32, 0..0x2500_u32)
            .prop_map(|(address, length)| super::words(&[address, length])),
    ];
    let rates = prop_oneof![Just(500_000_u32), Just(2_000_000), 300..4_000_000_u32];
    prop_oneof![
        1 => (rates, proptest::collection::vec(any::<u8>(), 1..400), 0..1000_u64)
            .prop_map(|(baud_bps, bytes, gap_us)| Deed::Noise { baud_bps, bytes, gap_us }),
        6 => (proptest::sample::select(ids.to_vec()), payload, 0..3000_u64)
            .prop_map(|(id, payload, gap_us)| Deed::Command { id, payload, gap_us }),
        2 => Just(Deed::Handshake),
        1 => (0..5000_u64).prop_map(|ms| Deed::Silence { ms }),
    ]
}

/// Advances to `until` by wake-ups only, as a driver does.
fn drive(bench: &mut Bench, until: Nanos) -> usize {
    let mut sent = 0;
    let mut steps = 0;
    while let Some(at) = bench.module.next_wakeup().filter(|at| *at <= until) {
        let before = bench.now();
        sent += bench.run_until(at.max(before)).len();
        steps += 1;
        assert!(steps < 200_000, "{before}: time does not move on");
    }
    sent + bench.run_until(until).len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_host_is_survived(deeds in proptest::collection::vec(deed(), 1..24)) {
        let mut bench = Bench::listening();
        let mut at = bench.now();
        for deed in deeds {
            let (baud_bps, bytes, gap) = match deed {
                Deed::Noise { baud_bps, bytes, gap_us } => (baud_bps, bytes, us(gap_us)),
                Deed::Command { id, payload, gap_us } => (bench.baud_bps, request(id, &payload), us(gap_us)),
                Deed::Handshake => (bench.baud_bps, vec![0x55; 150], Nanos::from_millis(40)),
                Deed::Silence { ms } => (bench.baud_bps, Vec::new(), Nanos::from_millis(ms)),
            };
            let burst = Burst { start: at, baud_bps, bytes };
            at = burst.end() + gap;
            bench.module.receive(burst);
            let sent = drive(&mut bench, at);
            prop_assert!(sent as u64 <= at.0 / 1000, "{} bytes", sent);
        }
        let settled = bench.now() + Nanos::from_secs(70);
        drive(&mut bench, settled);
        prop_assert!(matches!(bench.module.running(), Running::Loader(_) | Running::Dead(_) | Running::Rom(_) | Running::Firmware));
    }

    #[test]
    fn one_long_run_equals_many_short_ones(deeds in proptest::collection::vec(deed(), 1..12), step_us in 1..5000_u64) {
        let mut whole = Bench::listening();
        let mut pieces = Bench::listening();
        let mut at = whole.now();
        for deed in deeds {
            let (baud_bps, bytes, gap) = match deed {
                Deed::Noise { bytes, gap_us, .. } => (500_000, bytes, us(gap_us)),
                Deed::Command { id, payload, gap_us } => (500_000, request(id, &payload), us(gap_us)),
                Deed::Handshake => (500_000, vec![0x55; 150], Nanos::from_millis(40)),
                Deed::Silence { ms } => (500_000, Vec::new(), Nanos::from_millis(ms)),
            };
            for bench in [&mut whole, &mut pieces] {
                bench.module.receive(Burst { start: at, baud_bps, bytes: bytes.clone() });
            }
            at = at + Nanos::byte_times(bytes.len() as u64, 500_000) + gap;
        }
        let end = at + Nanos::from_secs(1);
        let sent_whole = whole.run_until(end);
        let mut sent_pieces = Vec::new();
        let mut now = pieces.now();
        while now < end {
            now = (now + us(step_us)).min(end);
            sent_pieces.append(&mut pieces.run_until(now));
        }
        prop_assert_eq!(sent_whole, sent_pieces);
        let session = |bench: &Bench| bench.events.iter().filter(|timed| !matches!(timed.event, crate::event::Event::BytesLost { .. })).cloned().collect::<Vec<_>>();
        prop_assert_eq!(session(&whole), session(&pieces));
    }
}
