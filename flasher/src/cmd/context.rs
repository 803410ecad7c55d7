//! From options to an open port and a run.

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bl702_flasher::Nanos;
use bl702_flasher::connect::ConnectOptions;
use bl702_flasher::driver;
use bl702_flasher::error::{Error, Rescue};
use bl702_flasher::event::Event;
use bl702_flasher::flow::{self, After};
use bl702_flasher::loader::{self, Environment, LoaderError, LoaderImage};
use bl702_flasher::plan::FlashRange;
use bl702_flasher::port::rfc2217::{Address, Rfc2217Port};
use bl702_flasher::port::{Port, Recorder, SerialPort};
use bl702_flasher::session::Link;
use bl702_protocol::boot_info::BootInfo;

use super::files;
use super::options::Options;
use crate::failure::Failure;
use crate::report::Reporter;

/// An open port and what the run needs to know.
pub(crate) struct Context<'r> {
    pub(crate) options: Arc<ConnectOptions>,
    port: Box<dyn Port>,
    reporter: &'r mut dyn Reporter,
    stop: Arc<AtomicBool>,
}

impl<'r> Context<'r> {
    /// Checks the options, finds the RAM loader, opens the port. In this order, so that mistakes in the command line
    /// show before anything is touched.
    pub(crate) fn open(options: &Options, reporter: &'r mut dyn Reporter) -> Result<Context<'r>, Failure> {
        let name = &super::ports::resolve(options, reporter)?;
        let target = Target::parse(name)?;
        let image = find_loader(options, &target, reporter)?;
        let mut connect = options.connect_options(name, image)?;
        let stop = stop_flag();
        let mut port = target.open(connect.boot_baud_bps)?;
        connect.has_lines = port.has_lines();
        connect.timing = connect.timing.allowing_for(port.round_trip());
        reporter.event(port.now(), &Event::Adapter(port.adapter_latency()));
        if let Some(path) = &options.record {
            let path = path.to_string_lossy().replace("{port}", &options.label());
            port = Box::new(Recorder::create(port, Path::new(&path), name, connect.boot_baud_bps)?);
        }
        Ok(Context { options: Arc::new(connect), port, reporter, stop })
    }

    /// As [`open`](Self::open), to ask who answers: nothing is uploaded, and nobody is asked to lend a hand.
    pub(crate) fn open_to_ask(
        options: &Options,
        reporter: &'r mut dyn Reporter,
    ) -> Result<Context<'r>, Failure> {
        let mut context = Context::open(options, reporter)?;
        let connect = Arc::make_mut(&mut context.options);
        connect.loader = None;
        connect.timing.hands = bl702_flasher::Nanos::ZERO;
        Ok(context)
    }

    /// What the module says about itself, be it the ROM or a RAM loader that runs already.
    pub(crate) fn who_answers(&mut self) -> Result<BootInfo, Failure> {
        let options = Arc::new(ConnectOptions { loader: None, ..(*self.options).clone() });
        self.run(|link| flow::who_answers(link, options, After::Reset))
    }

    /// The chip id, of which only the ROM knows.
    pub(crate) fn chip_id(&mut self) -> Result<String, Failure> {
        match self.who_answers()? {
            BootInfo::Rom(rom) => Ok(rom.chip_id_text()),
            BootInfo::Loader(_) => Err(Failure::usage(
                "a RAM loader was running, which does not tell the chip id",
                "Run it again: the module was restarted now. Or use {port} in the file's name.",
            )),
        }
    }

    /// Runs a flow to its end. Flash content that only this program still holds is written to a file.
    pub(crate) fn run<T, F, R>(&mut self, flow: F) -> Result<T, Failure>
    where
        F: FnOnce(Link) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.run_storing(flow, |_, _| ())
    }

    /// As [`run`](Self::run); `store` gets the bytes that are read, as they come.
    pub(crate) fn run_storing<T, F, R>(
        &mut self,
        flow: F,
        mut store: impl FnMut(FlashRange, &[u8]),
    ) -> Result<T, Failure>
    where
        F: FnOnce(Link) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.run_watching(flow, |_, event| match event {
            Event::Block { range, bytes } => {
                store(*range, bytes);
                true
            }
            _ => false,
        })
    }

    /// As [`run`](Self::run); `watch` sees every event first, and says whether it has taken it.
    pub(crate) fn run_watching<T, F, R>(
        &mut self,
        flow: F,
        mut watch: impl FnMut(Nanos, &Event) -> bool,
    ) -> Result<T, Failure>
    where
        F: FnOnce(Link) -> R,
        R: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let reporter = &mut self.reporter;
        let on_event = |at, event| {
            if !watch(at, &event) {
                reporter.event(at, &event);
            }
        };
        let stop = || self.stop.load(Ordering::Relaxed);
        let result = driver::run(&mut self.port, self.options.boot_baud_bps, flow, on_event, stop);
        if let Err(error) = &result {
            error.failure().rescue.iter().for_each(|rescue| self.rescue(rescue));
        }
        result.map_err(Failure::Run)
    }

    /// How long the port has been open, by its own clock.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.port.now().as_millis()
    }

    /// Tells something that is not as it should be, if there is anything.
    pub(crate) fn warn(&mut self, text: Option<String>) {
        if let Some(text) = text {
            self.reporter.event(self.port.now(), &Event::Warning { text });
        }
    }

    fn rescue(&mut self, rescue: &Rescue) {
        let text = match files::write_rescue(rescue) {
            Ok(path) => format!(
                "the sector at {:#x} was being rewritten and is not verified; what belongs there, bytes that were kept included, is in {}: write it with `write {:#x}={}`",
                rescue.address,
                path.display(),
                rescue.address,
                path.display()
            ),
            Err(failure) => format!("the content of the sector at {:#x} is lost: {failure}", rescue.address),
        };
        self.reporter.event(self.port.now(), &Event::Warning { text });
    }
}

/// What `--port` names.
enum Target {
    Serial(std::path::PathBuf),
    Network(Address),
    #[cfg(feature = "emulated")]
    Emulated(Box<crate::emulated::EmulatedOptions>),
}

impl Target {
    fn parse(name: &str) -> Result<Target, Failure> {
        if name == "emulated" || name.starts_with("emulated:") || name.starts_with("emulated?") {
            return Target::emulated(&name["emulated".len()..]);
        }
        if Address::is_meant_by(name) {
            return name.parse().map(Target::Network).map_err(|error| {
                Failure::usage(
                    format!("port {name:?} is no address: {error}"),
                    "Write rfc2217://HOST:PORT, as rfc2217://bench-pi:4000 or rfc2217://[::1]:4000.",
                )
            });
        }
        if name.is_empty() || name.contains("://") {
            return Err(Failure::usage(
                format!("port {name:?} is of no kind that this version knows"),
                "Name a tty, as /dev/ttyUSB0, or rfc2217://HOST:PORT, or `emulated`.",
            ));
        }
        Ok(Target::Serial(Path::new(name).to_owned()))
    }

    #[cfg(feature = "emulated")]
    fn emulated(rest: &str) -> Result<Target, Failure> {
        crate::emulated::EmulatedOptions::parse(rest)
            .map(|options| Target::Emulated(Box::new(options)))
            .map_err(|what| Failure::usage(what, crate::emulated::HELP))
    }

    #[cfg(not(feature = "emulated"))]
    fn emulated(_rest: &str) -> Result<Target, Failure> {
        Err(Failure::usage(
            "this program was built without the emulator",
            "Build it with the feature `emulated`, which is on by default.",
        ))
    }

    fn open(self, baud_bps: u32) -> Result<Box<dyn Port>, Failure> {
        match self {
            Target::Serial(path) => Ok(Box::new(SerialPort::open(&path, baud_bps)?)),
            Target::Network(address) => Ok(Box::new(Rfc2217Port::open(&address, baud_bps)?)),
            #[cfg(feature = "emulated")]
            Target::Emulated(options) => Ok(Box::new(options.open(baud_bps)?)),
        }
    }
}

/// The image to upload: the one that was named, or an installed one, or for an emulated module the made-up one.
fn find_loader(
    options: &Options,
    target: &Target,
    reporter: &mut dyn Reporter,
) -> Result<Option<LoaderImage>, Failure> {
    if let Some(path) = options.loader() {
        let image = LoaderImage::from_file(&path)?;
        warn_of_unknown(&image, reporter);
        return Ok(Some(image));
    }
    match loader::find(&Environment::of_process()) {
        Ok(image) => {
            warn_of_unknown(&image, reporter);
            Ok(Some(image))
        }
        Err(LoaderError::None) => made_up(target),
        Err(error) => {
            let text = format!("{}; it is not used", Failure::from(error).message());
            reporter.event(bl702_flasher::Nanos::ZERO, &Event::Warning { text });
            made_up(target)
        }
    }
}

fn made_up(target: &Target) -> Result<Option<LoaderImage>, Failure> {
    match target {
        // A RAM loader may be running already; if not, the run ends with an error that tells how to get one.
        Target::Serial(_) | Target::Network(_) => Ok(None),
        #[cfg(feature = "emulated")]
        Target::Emulated(_) => Ok(Some(crate::emulated::made_up_loader()?)),
    }
}

fn warn_of_unknown(image: &LoaderImage, reporter: &mut dyn Reporter) {
    if image.known.is_none() {
        let text = format!(
            "{} (SHA-256 {}) is none of the published builds of the RAM loader",
            image.name, image.sha256
        );
        reporter.event(bl702_flasher::Nanos::ZERO, &Event::Warning { text });
    }
}

/// Set by Ctrl-C or a request to terminate, for all modules at once.
fn stop_flag() -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    Arc::clone(FLAG.get_or_init(new_stop_flag))
}

/// The second Ctrl-C ends the program at once.
fn new_stop_flag() -> Arc<AtomicBool> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the first signal finds the flag still unset. Where handlers cannot be installed the
        // signals keep their usual effect.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&flag));
        let _ = signal_hook::flag::register(signal, Arc::clone(&flag));
    }
    flag
}
