//! Precedence, mistakes as people read them, and the example.

use std::fs;
use std::path::Path;

use rstest::rstest;

use super::*;
use crate::Nanos;
use crate::flow::After;
use crate::reset::Wiring;

fn project(text: &str) -> Result<ConfigFile, ConfigError> {
    ConfigFile::parse(text, Path::new("bl702.toml"), FileKind::Project)
}

fn local(text: &str) -> Result<ConfigFile, ConfigError> {
    ConfigFile::parse(text, Path::new("bl702.local.toml"), FileKind::Local)
}

fn environment(variables: &[(&str, &str)]) -> Result<Layer, ConfigError> {
    Layer::of_environment(|name| {
        variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
    })
}

fn command_line(values: &[(&'static str, &str)]) -> Layer {
    Layer::of_command_line(values.iter().map(|(name, text)| (*name, Some((*text).to_owned()))))
}

#[test]
fn the_command_line_wins_then_environment_then_bench_then_project() {
    let all = |count: usize| {
        let line = if count > 3 { command_line(&[("baud", "500000")]) } else { Layer::default() };
        let variables: &[(&str, &str)] = if count > 2 { &[("BL702_BAUD", "921600")] } else { &[] };
        let bench = (count > 1).then(|| local("baud = 1_000_000").unwrap());
        let shared = (count > 0).then(|| project("\nbaud = 0x16E360").unwrap());
        let value =
            Settings::new(line, environment(variables).unwrap(), bench, shared).value("baud").unwrap();
        format!("{} ({})", value.text, value.origin)
    };
    assert_eq!(
        [0, 1, 2, 3, 4].map(all),
        [
            "2000000 (default)",
            "0x16E360 (bl702.toml:2)",
            "1000000 (bl702.local.toml:1)",
            "921600 (environment, BL702_BAUD)",
            "500000 (command line)",
        ]
    );
}

#[test]
fn all_of_it_reaches_the_session() {
    let text = "
        boot_baud = 115200
        baud = \"1000000\"
        wiring = 'D0|R1|W0.1|R0'
        into_firmware = 'D1|R1|W0.1|R0'
        invert_dtr = true
        flash_size = '512KiB'
        after = 'stay'
        [timing]
        preset = 'slow'
        quiet_ms = 7
        wait_s = 99
    ";
    let settings = Settings::new(Layer::default(), Layer::default(), None, Some(project(text).unwrap()));
    let options = settings.connect_options(None).unwrap();
    assert_eq!((options.boot_baud_bps, options.baud_bps), (115_200, 1_000_000));
    assert_eq!(options.wiring, Wiring::None);
    assert_eq!(options.adapter.into_isp.as_ref().unwrap().to_string(), "D0|R1|W0.1|R0");
    assert_eq!(options.adapter.into_firmware.as_ref().unwrap().to_string(), "D1|R1|W0.1|R0");
    assert!(options.adapter.invert.dtr && !options.adapter.invert.rts);
    assert_eq!(options.flash_size, Some(512 * 1024));
    assert_eq!(settings.after().unwrap(), After::Stay);
    assert_eq!(options.timing.quiet, Nanos::from_millis(7));
    assert_eq!(options.timing.hands, Nanos::from_secs(99));
    assert_eq!(options.timing.ok_wait, Nanos::from_millis(400), "of the preset");
}

#[test]
fn without_any_settings_a_session_is_as_the_library_has_it() {
    let options = Settings::default().connect_options(None).unwrap();
    let usual = crate::connect::ConnectOptions::default();
    assert_eq!(format!("{options:?}"), format!("{usual:?}"));
}

#[test]
fn a_port_has_settings_of_its_own() {
    let text = "
        wiring = 'none'
        [ports.A50285BI]
        wiring = 'dtr-en'
        [ports.A50285BI.timing]
        quiet_ms = 5
        [ports.'/dev/ttyUSB1']
        baud = 500000
    ";
    let settings = Settings::new(Layer::default(), Layer::default(), Some(local(text).unwrap()), None);
    let at = |names: &[&str]| settings.at_port(&names.map_to_strings());
    assert_eq!(at(&["/dev/ttyUSB0", "A50285BI"]).text("wiring").unwrap(), "dtr-en");
    assert_eq!(at(&["/dev/ttyUSB0", "A50285BI"]).timing().unwrap().quiet, Nanos::from_millis(5));
    assert_eq!(at(&["/dev/ttyUSB1"]).text("wiring").unwrap(), "none");
    assert_eq!(at(&["/dev/ttyUSB1"]).text("baud").unwrap(), "500000");
    let value = at(&["A50285BI"]).value("wiring").unwrap();
    assert_eq!(value.origin.to_string(), "bl702.local.toml:4, for port A50285BI");
    let settings = Settings::new(
        command_line(&[("wiring", "rts-en")]),
        Layer::default(),
        Some(local(text).unwrap()),
        None,
    );
    assert_eq!(settings.at_port(&["A50285BI".to_owned()]).text("wiring").unwrap(), "rts-en");
}

/// Names as [`Settings::at_port`] takes them.
trait MapToStrings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl MapToStrings for &[&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn who_asks_for_another_wiring_or_pace_does_not_get_half_of_the_old_one() {
    let shared = || Some(project("into_firmware = 'D1|R1|R0'\n[timing]\nquiet_ms = 50").unwrap());
    let plain = Settings::new(Layer::default(), Layer::default(), None, shared());
    assert!(plain.connect_options(None).unwrap().adapter.into_firmware.is_some());
    assert_eq!(plain.timing().unwrap().quiet, Nanos::from_millis(50));
    let asked = command_line(&[("wiring", "dtr-en"), ("timing.preset", "fast")]);
    let asked = Settings::new(asked, Layer::default(), None, shared());
    assert_eq!(asked.connect_options(None).unwrap().adapter.into_firmware, None);
    assert_eq!(asked.timing().unwrap().quiet, Nanos::from_millis(3));
    assert_eq!(asked.value("timing.quiet_ms").unwrap().origin.to_string(), "by timing.preset = fast");
}

#[test]
fn files_are_seen_from_the_folder_of_the_configuration() {
    let text = "loader = 'vendor/loader.bin'\n[images]\n0x2000 = 'build/fw.bin'\nFW = '/abs/fw.bin'";
    let file = ConfigFile::parse(text, Path::new("/p/bl702.toml"), FileKind::Project).unwrap();
    let settings = Settings::new(Layer::default(), Layer::default(), None, Some(file));
    assert_eq!(settings.text("loader").unwrap(), "/p/vendor/loader.bin");
    let images: Vec<String> =
        settings.images().iter().map(|image| format!("{}={}", image.place, image.file.display())).collect();
    assert_eq!(images, ["0x2000=/p/build/fw.bin", "FW=/abs/fw.bin"]);
}

#[test]
fn mistakes_as_people_read_them() {
    let says = |text: &str| project(text).unwrap_err().to_string();
    let mistakes = [
        "baudd = 1",
        "Baud = 1",
        "boot-baud = 500000",
        "frobnicate = 1",
        "quiet_ms = 5",
        "[timing]\nquiet_ms = 1",
        "[timing]\nquiet_s = 1",
        "[timing]\nquite_ms = 5",
        "[timing]\nwait = 5",
        "[timming]\nquiet_ms = 5",
        "timing = 'slow'",
        "port = '/dev/ttyUSB0'",
        "[ports.X]\nbaud = 1",
        "\n\nbaud = 1200000",
        "baud = 'fast'",
        "baud = 1.5",
        "baud = -1",
        "wiring = 'rts_en'",
        "wiring = 'D0|R3'",
        "wiring = true",
        "invert_dtr = 1",
        "after = 'later'",
        "board = 'xt-zb3'",
        "flash_size = '5 parsecs'",
        "images = ['fw.bin']",
        "[images]\n'0x2000' = 5",
        "baud = ",
        "baud = 1\nbaud = 2",
        "= 5",
    ];
    let lines: Vec<String> = mistakes.into_iter().map(says).collect();
    insta::assert_snapshot!(lines.join("\n"));
    insta::assert_snapshot!(local("[ports.A]\nport = 'B'").unwrap_err(), @"bl702.local.toml:2:1: port has no place in the section of a port");
    insta::assert_snapshot!(environment(&[("BL702_TIMING", "hasty")]).unwrap_err(), @r#"BL702_TIMING: "hasty" is none of slow, normal, fast"#);
}

#[rstest]
#[case(FileKind::Project)]
#[case(FileKind::Local)]
fn the_example_changes_nothing_and_is_right_line_by_line(#[case] kind: FileKind) {
    let text = example(kind);
    let path = Path::new("example.toml");
    let plain = ConfigFile::parse(&text, path, kind).unwrap();
    assert_eq!((plain.layer, plain.ports.len(), plain.images.len()), (Layer::default(), 0, 0));
    // A remark has a space behind its #, a setting has none.
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
        .fold(String::new(), |text, line| text + line + "\n");
    let file = ConfigFile::parse(&uncommented, path, kind).unwrap();
    match kind {
        FileKind::Project => {
            let settings = Settings::new(Layer::default(), Layer::default(), None, Some(file));
            for key in KEYS.iter().filter(|key| !key.is_local) {
                let origin = settings.value(key.name).unwrap().origin;
                assert!(matches!(origin, Origin::File { .. }), "{} is not in the example", key.name);
            }
            assert_eq!(settings.images().len(), 1);
        }
        FileKind::Local => assert_eq!(file.ports.len(), 1),
    }
}

#[test]
fn the_nearest_folder_with_a_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/c");
    fs::create_dir_all(&deep).unwrap();
    fs::write(folder.path().join("bl702.toml"), "baud = 500000").unwrap();
    assert_eq!(find(&deep).unwrap().project.unwrap().path, folder.path().join("bl702.toml"));
    fs::write(folder.path().join("a/bl702.local.toml"), "port = 'x'").unwrap();
    let found = find(&deep).unwrap();
    assert!(found.project.is_none() && found.local.is_some());
    fs::write(folder.path().join("a/b/bl702.toml"), "baud = ").unwrap();
    assert!(find(&deep).unwrap_err().to_string().contains("a/b/bl702.toml:1:"));
    assert!(from_file(&folder.path().join("no.toml")).is_err());
    let named = from_file(&folder.path().join("bl702.toml")).unwrap();
    assert!(named.project.is_some() && named.local.is_none());
    fs::write(folder.path().join("bl702.toml"), [b'#'; 300 * 1024]).unwrap();
    assert!(find(folder.path()).unwrap_err().to_string().contains("longer than 256 KiB"));
    fs::write(folder.path().join("bl702.toml"), b"# \xff").unwrap();
    assert!(find(folder.path()).unwrap_err().to_string().contains("byte 2 is not UTF-8"));
}
