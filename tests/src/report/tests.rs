use super::*;

fn begun(id: &str) -> Begun {
    Begun { id: id.to_owned(), title: "T".to_owned(), ..Begun::default() }
}

#[test]
fn an_attempt_is_a_file_of_its_own_that_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDirectory::new(folder.path().to_owned(), "/dev/ttyUSB0".to_owned());
    for verdict in [Outcome::Failed, Outcome::Passed] {
        let mut log = run.begin(begun("backup::it-works")).unwrap();
        fs::write(log.recording(), "{}").unwrap();
        let text = "something".to_owned();
        let (keyword, message) = ("Given".to_owned(), String::new());
        log.step(StepLine { number: 1, keyword, text, verdict, duration_us: 5, message }).unwrap();
        log.finish(verdict, "").unwrap();
    }
    let files: Vec<PathBuf> =
        fs::read_dir(folder.path().join("scenarios")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2);
    for file in files {
        let lines = read_lines(&file).unwrap();
        assert_eq!(lines.len(), 3);
        assert!(matches!(&lines[0], Line::Scenario(begun) if begun.target == "/dev/ttyUSB0"));
        let Line::Finished(finished) = &lines[2] else { panic!("{lines:?}") };
        assert_eq!(finished.recordings.len(), 1);
        assert!(folder.path().join(&finished.recordings[0]).is_file());
    }
}

#[test]
fn a_process_that_died_leaves_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDirectory::new(folder.path().to_owned(), "emulated".to_owned());
    drop(run.begin(begun("a::b")).unwrap());
    let file = fs::read_dir(folder.path().join("scenarios")).unwrap().next().unwrap().unwrap().path();
    let mut half = OpenOptions::new().append(true).open(&file).unwrap();
    half.write_all(b"{\"kind\":\"step\",\"numb").unwrap();
    let lines = read_lines(&file).unwrap();
    assert!(matches!(lines.as_slice(), [Line::Scenario(_)]), "{lines:?}");
}
