//! The smallest scene that still breaks the contract in the same way.

use std::mem::discriminant;

use bl702_emulator::profile::Wiring;

use super::checker::Broken;
use super::scene::{SECTOR, Scene, Work};

/// Takes away what is not needed: faults first, then everything else that can be plainer.
///
/// `broken` says how a scene breaks the contract, if it does.
pub fn minimise(scene: &Scene, mut broken: impl FnMut(&Scene) -> Option<Broken>) -> Scene {
    let Some(how) = broken(scene) else { return scene.clone() };
    let mut least = scene.clone();
    loop {
        let simpler = plainer(&least).into_iter().find(|candidate| {
            candidate != &least
                && broken(candidate).is_some_and(|now| discriminant(&now) == discriminant(&how))
        });
        match simpler {
            Some(simpler) => least = simpler,
            None => return least,
        }
    }
}

/// Scenes that are a little plainer, the largest steps first.
fn plainer(scene: &Scene) -> Vec<Scene> {
    let with = |change: &dyn Fn(&mut Scene)| {
        let mut other = scene.clone();
        change(&mut other);
        other
    };
    let mut scenes: Vec<Scene> =
        (0..scene.faults.len()).map(|index| with(&|scene| drop(scene.faults.remove(index)))).collect();
    scenes.extend([
        with(&|scene| scene.interrupt_after = None),
        with(&|scene| scene.loader_runs = false),
        with(&|scene| scene.wiring = Wiring::RtsEn),
        with(&|scene| "bl702-512k-kh".clone_into(&mut scene.profile)),
        with(&|scene| scene.before.flaws.clear()),
        with(&|scene| scene.before.pieces_there = false),
        with(&|scene| scene.before.noise_bytes = 0),
    ]);
    match &scene.work {
        Work::Write { pieces } | Work::Verify { pieces } => {
            let is_write = matches!(scene.work, Work::Write { .. });
            let as_work = |pieces| if is_write { Work::Write { pieces } } else { Work::Verify { pieces } };
            for index in 0..pieces.len() {
                let mut fewer = pieces.clone();
                fewer.remove(index);
                if !fewer.is_empty() {
                    scenes.push(with(&|scene| scene.work = as_work(fewer.clone())));
                }
                let mut smaller = pieces.clone();
                smaller[index].bytes = (smaller[index].bytes / 2).max(1);
                scenes.push(with(&|scene| scene.work = as_work(smaller.clone())));
            }
        }
        Work::Backup { from, to, part } => {
            if part.is_some() {
                scenes.push(with(&|scene| scene.work = Work::Backup { from: *from, to: *to, part: None }));
            }
            if to - from > SECTOR {
                let to = from + (to - from) / 2;
                scenes.push(with(&|scene| scene.work = Work::Backup { from: *from, to, part: *part }));
            }
        }
        Work::Erase { from, to } if to - from > SECTOR => {
            let to = from + (to - from) / 2;
            scenes.push(with(&|scene| scene.work = Work::Erase { from: *from, to }));
        }
        _ => {}
    }
    // A flaw outside the pieces is none.
    scenes.retain(|scene| scene.before.flaws.is_empty() || scene.before.pieces_there);
    scenes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::draw;

    #[test]
    fn only_the_guilty_fault_is_left() {
        let scene = (0..).map(draw::scene).find(|scene| scene.faults.len() == 4).unwrap();
        let guilty = scene.faults[2].clone();
        let least = minimise(&scene, |scene| scene.faults.contains(&guilty).then_some(Broken::Fuse));
        assert_eq!(least.faults, [guilty]);
        assert_eq!((least.loader_runs, least.before.noise_bytes), (false, 0));
    }
}
