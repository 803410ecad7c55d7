//! A host that sends bytes and looks at what comes back.

use bl702_protocol::time::Nanos;
use cucumber::gherkin;
use cucumber::{given, then, when};

use crate::vectors;
use crate::words::{Answer, Answers, Bytes, Number, Span, Times, readable};
use crate::world::{Step, World, wrong};

const HANDSHAKE_BYTE: u8 = 0x55;

/// So many bytes take `span` at a rate, at least one.
fn burst(span: Nanos, baud_bps: u32) -> Vec<u8> {
    let count = u128::from(span.0) * u128::from(baud_bps) / 10_000_000_000;
    vec![HANDSHAKE_BYTE; (count as usize).max(1)]
}

#[when(expr = "the host sends 55 for {span} at {number} baud")]
fn send_burst(world: &mut World, span: Span, baud: Number) -> Step {
    world.set_baud(baud.0)?;
    world.send(&burst(span.0, baud.0))
}

/// Before the module has come out of a reset.
#[when(expr = "the host at once sends 55 for {span} at {number} baud")]
fn send_burst_at_once(world: &mut World, span: Span, baud: Number) -> Step {
    world.need(|target| target.check_prompt())?;
    send_burst(world, span, baud)
}

#[given(expr = "a session at {number} baud")]
#[when(expr = "the host begins a new session at {number} baud")]
fn session(world: &mut World, baud: Number) -> Step {
    send_burst(world, Span(Nanos::from_millis(3)), baud)?;
    match world.answers.pop() {
        Some(answer) if answer == b"OK" => Ok(()),
        answer => Err(wrong(format!("no OK, but {}", readable(&answer.unwrap_or_default())))),
    }
}

#[when(expr = "the host changes to {number} baud")]
fn change_baud(world: &mut World, baud: Number) -> Step {
    world.set_baud(baud.0)
}

#[when(expr = "the host sends {bytes}")]
fn send(world: &mut World, bytes: Bytes) -> Step {
    world.send(&bytes.0)
}

#[when(expr = "the host sends {bytes} and waits up to {span} for an answer")]
fn send_and_wait(world: &mut World, bytes: Bytes, span: Span) -> Step {
    world.send_and_wait(&bytes.0, span.0)
}

#[when(expr = "the host sends {bytes} {times}")]
fn send_times(world: &mut World, bytes: Bytes, times: Times) -> Step {
    (0..times.0).try_for_each(|_| world.send(&bytes.0))
}

#[when(expr = "the host sends this frame {times}")]
fn send_docstring(world: &mut World, times: Times, step: &gherkin::Step) -> Step {
    let text = step.docstring.as_deref().ok_or_else(|| wrong("the frame is missing below the step"))?;
    let bytes: Bytes = text.parse().map_err(|error| wrong(format!("{error}")))?;
    send_times(world, bytes, times)
}

#[when(expr = "the host sends the frames of the reference vector {string}")]
fn send_vector(world: &mut World, name: String) -> Step {
    vectors::row(&name).requests().iter().try_for_each(|frame| world.send(frame))
}

/// The answer to a change of rate comes at the new rate, so the host has to listen at it already.
#[when(expr = "the host sends {bytes} and changes to {number} baud at once")]
fn send_and_change(world: &mut World, bytes: Bytes, baud: Number) -> Step {
    let old_bps = world.baud_bps;
    // The answer comes within a byte's time.
    world.need(|target| target.check_prompt())?;
    world.need(|target| target.check_rate(baud.0))?;
    let port = world.target()?.port();
    let mut heard = crate::host::send(port, old_bps, &bytes.0)?;
    port.set_baud(baud.0)?;
    heard.extend(crate::host::listen(port, Nanos::from_millis(50))?);
    world.baud_bps = baud.0;
    world.answers.push(heard);
    Ok(())
}

/// What a killed client leaves behind: bytes on the wire, and nobody who looks at the answer.
#[when(expr = "a client sends {bytes} and dies")]
fn send_and_die(world: &mut World, bytes: Bytes) -> Step {
    world.send(&bytes.0)?;
    world.answers.clear();
    Ok(())
}

#[when(expr = "a client sends the frames of the reference vector {string} and dies")]
fn send_vector_and_die(world: &mut World, name: String) -> Step {
    send_vector(world, name)?;
    world.answers.clear();
    Ok(())
}

#[then(expr = "the module answers {answers}")]
fn answers(world: &mut World, expected: Answers) -> Step {
    let heard = std::mem::take(&mut world.answers);
    let agree = heard.len() == expected.0.len()
        && heard.iter().zip(&expected.0).all(|(heard, expected)| expected.is(heard));
    if agree {
        return Ok(());
    }
    let heard: Vec<String> = heard.iter().map(|answer| readable(answer)).collect();
    Err(wrong(format!("it answered {}, expected {:?}", heard.join(", "), expected.0)))
}

#[then(expr = "the module answers {bytes} and its chip id")]
fn answers_chip_id(world: &mut World, head: Bytes) -> Step {
    let chip_id: String = world.target()?.chip_id();
    let heard = std::mem::take(&mut world.answers).concat();
    let id: String = heard.iter().skip(head.0.len()).map(|byte| format!("{byte:02x}")).collect();
    if heard.starts_with(&head.0) && id == chip_id {
        return Ok(());
    }
    Err(wrong(format!("it answered {}, expected the chip id {chip_id}", readable(&heard))))
}

#[then(expr = "the last answer is {answer}")]
fn last_answer(world: &mut World, expected: Answer) -> Step {
    let heard = std::mem::take(&mut world.answers).pop().ok_or_else(|| wrong("the host sent nothing"))?;
    if expected.is(&heard) {
        return Ok(());
    }
    Err(wrong(format!("it answered {}, expected {expected:?}", readable(&heard))))
}

#[then("the module says nothing")]
fn nothing(world: &mut World) -> Step {
    match std::mem::take(&mut world.answers).concat() {
        heard if heard.is_empty() => Ok(()),
        heard => Err(wrong(format!("it said {}", readable(&heard)))),
    }
}

#[then("the host hears no OK")]
fn no_ok(world: &mut World) -> Step {
    match std::mem::take(&mut world.answers).concat() {
        heard if heard.windows(2).any(|pair| pair == b"OK") => {
            Err(wrong(format!("it heard {}", readable(&heard))))
        }
        _ => Ok(()),
    }
}

#[then("the module answers PD at least once and then OK")]
fn pending_then_ok(world: &mut World) -> Step {
    let heard = std::mem::take(&mut world.answers).concat();
    match heard.strip_suffix(b"OK") {
        Some(pending) if !pending.is_empty() && pending.chunks(2).all(|pair| pair == b"PD") => Ok(()),
        _ => Err(wrong(format!("it answered {}", readable(&heard)))),
    }
}

#[then(expr = "the host reads {string}")]
fn reads_text(world: &mut World, text: String) -> Step {
    let heard = std::mem::take(&mut world.answers).concat();
    match String::from_utf8_lossy(&heard) {
        heard if heard.contains(&text) => Ok(()),
        heard => Err(wrong(format!("it read {heard:?}"))),
    }
}

#[then(expr = "the host cannot read {string}")]
fn cannot_read_text(world: &mut World, text: String) -> Step {
    let heard = std::mem::take(&mut world.answers).concat();
    match String::from_utf8_lossy(&heard) {
        _ if heard.is_empty() => Err(wrong("the module said nothing at all")),
        heard if heard.contains(&text) => Err(wrong(format!("it read {heard:?}"))),
        _ => Ok(()),
    }
}
