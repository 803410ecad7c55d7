//! What is asked of a served module from outside: lines, pins, power, snapshots, and to be its host.

use tokio::sync::oneshot;

use super::{Port, ServeError};
use crate::Nanos;
use crate::transport::control::{Answer, Control, ModuleStatus, PortBusy, Request};
use crate::transport::network::PortEnd;

impl Port {
    /// Does what somebody asks of the module, behind all that the host has sent before.
    pub(super) fn serve_request(&mut self, request: Request) -> Result<(), ServeError> {
        let wall = self.clock.now();
        self.ask_for_clients()?;
        self.paced.advance(wall, false);
        self.hear(wall)?;
        match request {
            Request::Control(control, answer) => self.obey(wall, control, answer)?,
            Request::Attach(end, answer) => {
                // Without an answer `end` is gone, and the client's end with it.
                let _ = answer.send(self.attach(wall, end)?);
            }
            Request::Follow(follower) => self.journal.follow(follower, self.paced.module())?,
        }
        Ok(())
    }

    fn attach(&mut self, wall: Nanos, end: PortEnd) -> Result<Result<(), PortBusy>, ServeError> {
        self.look_for_clients()?;
        if !self.host.is_pty_free() || !self.host.attach(end) {
            return Ok(Err(PortBusy));
        }
        self.start_empty(wall);
        self.sample()?;
        Ok(Ok(()))
    }

    fn obey(
        &mut self,
        wall: Nanos,
        control: Control,
        answer: oneshot::Sender<Answer>,
    ) -> Result<(), ServeError> {
        let answered = match control {
            Control::Lines(_)
            | Control::ChangeLines(_)
            | Control::Enable { .. }
            | Control::Boot { .. }
            | Control::Power { .. }
            | Control::Break
            | Control::Drain => {
                if matches!(control, Control::Lines(_) | Control::ChangeLines(_)) {
                    self.status.change(|status| status.line_changes += 1);
                }
                self.modem.ask(control, answer);
                return Ok(());
            }
            Control::AskLines => Answer::Lines(self.modem.lines()),
            Control::AskUnsent => {
                Answer::Unsent(self.host.unheard_bytes()? as u64 + self.paced.unsent_bytes(wall))
            }
            Control::Framing(framing) => {
                self.framing = framing;
                Answer::Done
            }
            Control::AskSettings => Answer::Settings(Box::new(self.host.settings()?)),
            Control::Purge { received, unsent } => {
                if received {
                    self.outbox.discard_due(wall);
                    self.blocked = false;
                    self.status.change(|status| status.input_flushes += 1);
                }
                if unsent {
                    self.host.discard_unheard();
                }
                Answer::Done
            }
            Control::Rates(rates) => {
                self.known_rates = rates;
                self.sample()?;
                Answer::Done
            }
            Control::ReplaceRate(bps) => {
                self.modem.replace_rate(bps);
                self.sample()?;
                Answer::Done
            }
            Control::Arm(plan) => {
                self.paced.module_mut().arm(&plan);
                self.note_faults();
                Answer::Done
            }
            Control::Status => Answer::Status(Box::new(ModuleStatus::of(self.paced.module()))),
            Control::DumpFlash => Answer::Bytes(self.paced.module().flash().dump()),
            Control::DumpFuses => Answer::Bytes(self.paced.module().otp().fuses().to_vec()),
        };
        // Who asked may have gone away in the meantime.
        let _ = answer.send(answered);
        Ok(())
    }

    /// Does what was asked of lines and pins, as far as its time has come.
    ///
    /// False when there was nothing to do.
    pub(super) fn move_pins(&mut self, wall: Nanos) -> bool {
        let mut moved = false;
        while let Some((control, answer)) = self.modem.next(self.paced.module_time(wall)) {
            moved = true;
            match control {
                Control::Lines(lines) => {
                    let drive = self.modem.drive(lines);
                    self.set_pins(wall, drive.enable_high, drive.boot_high);
                }
                Control::Enable { high } => {
                    let high = self.modem.hold_by_hand(!high);
                    self.set_pins(wall, Some(high), None);
                }
                Control::Boot { high } => self.set_pins(wall, None, Some(high)),
                Control::Power { on } => {
                    let at = self.paced.module_time(wall);
                    self.paced.module_mut().set_power(at, on);
                }
                Control::Break => self.take_break(wall),
                // Only to be answered, or never queued.
                _ => {}
            }
            if let Some(answer) = answer {
                // Who asked may have gone away in the meantime.
                let _ = answer.send(Answer::Done);
            }
        }
        moved
    }

    /// A low level for longer than a byte. Assumed, as in [`crate::uart::resample`]: the chip's UART takes it for one 00h.
    fn take_break(&mut self, wall: Nanos) {
        let burst = self.paced.host_wrote(wall, self.rates().send_bps, &[0]);
        self.journal.line_break(&burst);
    }

    fn set_pins(&mut self, wall: Nanos, enable: Option<bool>, boot: Option<bool>) {
        let at = self.paced.module_time(wall);
        let module = self.paced.module_mut();
        let before = (module.enable_high(), module.boot_high());
        // BOOT first: the edge of EN that comes with it must find the strap in place.
        if let Some(high) = boot {
            module.set_boot(at, high);
        }
        if let Some(high) = enable {
            module.set_enable(at, high);
        }
        let (at, enable_high, boot_high) = (module.now(), module.enable_high(), module.boot_high());
        if (enable_high, boot_high) == before {
            return;
        }
        self.journal.pins(at, enable_high, boot_high);
    }
}
