//! Prompts at a terminal: a password is not shown, and ^C restores the terminal.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use windlass_testing::{ImageBuilder, Registry};

use crate::harness::{DEADLINE, PLATFORM, Windlass};

/// A terminal, and everything it has displayed so far.
struct Terminal {
    master: File,
    slave: File,
    /// The bytes that a thread reads from the master.
    output: Receiver<u8>,
    screen: String,
}

impl Terminal {
    fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(Path::new(std::ffi::OsStr::from_bytes(name.as_bytes())))
            .unwrap();
        let master = File::from(master);
        let (sender, output) = mpsc::channel();
        let bytes = BufReader::new(master.try_clone().unwrap()).bytes();
        thread::spawn(move || {
            for byte in bytes.map_while(Result::ok) {
                if sender.send(byte).is_err() {
                    break;
                }
            }
        });
        Self {
            master,
            slave,
            output,
            screen: String::new(),
        }
    }

    fn start(&self, windlass: &Windlass, args: &[&str]) -> Child {
        let mut command = windlass.command(args);
        command
            .stdin(self.slave.try_clone().unwrap())
            .stderr(self.slave.try_clone().unwrap())
            .stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Waits until the output ends with `text`.
    fn wait_for(&mut self, text: &str) {
        while !self.screen.ends_with(text) {
            let byte = self.output.recv_timeout(DEADLINE);
            let byte = byte.unwrap_or_else(|error| panic!("{error}: {:?}", self.screen));
            self.screen.push(char::from(byte));
        }
    }

    fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    fn has_echo(&self) -> bool {
        tcgetattr(&self.slave)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO)
    }
}

#[test]
fn a_password_prompt_does_not_show_the_password() {
    let registry = Registry::builder().basic("gopher", "hunter2").start();
    let windlass = Windlass::with(&registry);
    let mut terminal = Terminal::open();
    let child = terminal.start(&windlass, &["login", &registry.host()]);
    terminal.wait_for("Username: ");
    terminal.type_in("gopher\n");
    terminal.wait_for("Password: ");
    assert!(!terminal.has_echo());
    terminal.type_in("hunter2\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(windlass.comparable(&output.stdout), "Login Succeeded\n");
    terminal.wait_for("safely\r\n");
    assert!(terminal.has_echo());
    assert!(!terminal.screen.contains("hunter2"), "{}", terminal.screen);
    windlass.stdout(["logout", &registry.host()]);
}

/// The same effect as ^C.
#[test]
fn an_interrupt_at_the_prompt_restores_the_terminal() {
    let registry = Registry::start();
    let windlass = Windlass::with(&registry);
    let mut terminal = Terminal::open();
    let child = terminal.start(&windlass, &["login", "-u", "gopher", &registry.host()]);
    terminal.wait_for("Password: ");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    terminal.wait_for("Stopped. Nothing was changed.\r\n");
    assert!(terminal.has_echo());
    assert_eq!(registry.log(), [""; 0]);
}

#[test]
fn images_are_pruned_after_confirmation() {
    let registry = Registry::start();
    let windlass = Windlass::with(&registry);
    registry.push(ImageBuilder::new().platform(PLATFORM), "app:1");
    windlass.pull(&registry.name("app:1"));
    for (answer, left, code) in [("", 1, 1), ("n", 1, 1), ("y", 0, 0)] {
        let mut terminal = Terminal::open();
        let args = ["prune", "--all", "--partials", "--filter", "until=1h"];
        let child = terminal.start(&windlass, &args);
        terminal.wait_for("[y/N] ");
        let question = "WARNING! This will remove:\r
  - all images that match the filters\r
  - all partial downloads\r
Are you sure you want to continue? [y/N] ";
        assert_eq!(terminal.screen, question);
        terminal.type_in(&format!("{answer}\n"));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{answer:?}");
        let images = windlass.stdout(["images", "-q"]);
        assert_eq!(images.lines().count(), left, "{answer:?}");
    }

    let mut terminal = Terminal::open();
    let child = terminal.start(&windlass, &["prune"]);
    terminal.wait_for("[y/N] ");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    terminal.wait_for("Stopped. Nothing was removed.\r\n");
}
