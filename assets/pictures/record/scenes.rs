//! What is shown: the demo step by step, with a preview, a branch, a comparison, an undo and an export.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::cast::cast;
use super::recorder::Recorder;
use super::svg;

const TITLE: &str =
    "pentimento: a vision backbone learns task after task, and what it forgets is seen";

/// Goes through it all in `folder`, and writes what was seen to `to`.
pub fn record(program: &Path, folder: &Path, to: &Path) -> Result<()> {
    let mut scene = Scene {
        recorder: Recorder::start(program, folder)?,
        to,
    };
    scene.set_up()?;
    scene.first_task()?;
    scene.forgetting()?;
    scene.second_task()?;
    scene.branch()?;
    scene.compare()?;
    scene.undo()?;
    scene.rest()?;
    let frames = scene.recorder.end()?;
    fs::write(to.join("demo.svg"), svg::moving(TITLE, &frames))?;
    fs::write(to.join("demo.cast"), cast(TITLE, &frames)?)?;
    Ok(())
}

struct Scene<'a> {
    recorder: Recorder,
    to: &'a Path,
}

impl Scene<'_> {
    /// Writes the screen as a picture of its own; `title` says in words what it shows.
    fn still(&self, name: &str, title: &str) -> Result<()> {
        self.write(name, title, &self.recorder.screen())
    }

    fn write(&self, name: &str, title: &str, screen: &vt100::Screen) -> Result<()> {
        let path = self.to.join(format!("{name}.svg"));
        fs::write(&path, svg::still(title, screen)).with_context(|| path.display().to_string())
    }

    fn set_up(&mut self) -> Result<()> {
        let r = &mut self.recorder;
        r.wait_for("Enter start")?;
        r.say(
            "A ViT that knows 62 Latin characters is to learn five tasks, one LoRA after the other",
        );
        r.hold(2.5);
        r.press("jjjjj", 0.08)?;
        r.say("300 steps each, and each step and each merge shall wait for a key");
        r.press(" j", 0.3)?;
        r.press("e\x7f\x7f\x7f300\r", 0.15)?;
        r.press("kh", 0.3)?;
        r.press("jjjjjjj", 0.08)?;
        r.press(" jj", 0.3)?;
        r.press("l", 1.5)?;
        self.still("set-up", "The form that a run is set up with")?;
        let r = &mut self.recorder;
        r.say("Enter: what the untouched backbone gets right is measured first");
        r.press("\r", 0.3)?;
        r.watch("ready for the first task", 5, 0.4)
    }

    fn first_task(&mut self) -> Result<()> {
        let r = &mut self.recorder;
        r.say(
            "s: a LoRA of rank 16 learns to tell odd digits from even ones (time goes faster here)",
        );
        r.press("s", 0.3)?;
        let before = r.frames.len();
        r.watch("trained 1/5", 22, 0.22)?;
        r.hold(1.0);
        let late = before + 2 * (r.frames.len() - before) / 3;
        let screen = r.frames[late].screen.clone();
        self.write(
            "train",
            "Loss and accuracy of the task in training",
            &screen,
        )?;
        let r = &mut self.recorder;
        r.say(
            "v: what would the merge cost, at λ from 0 to 1? Each is measured before any is taken",
        );
        r.press("3", 1.0)?;
        r.press("v", 0.2)?;
        r.watch("previewing", 1, 0.2)?;
        r.watch("trained 1/5", 6, 0.3)?;
        r.hold(1.0);
        r.press("[[", 0.7)?;
        self.still(
            "preview",
            "The accuracy matrix, and below it what each amount of the merge would give",
        )?;
        let r = &mut self.recorder;
        r.press("]]", 0.4)?;
        r.say("t: taken whole. The update is in the weights now, and all test sets are measured");
        r.press("t", 0.3)?;
        r.watch("measured after 1/5", 5, 0.3)?;
        r.hold(2.0);
        Ok(())
    }

    fn forgetting(&mut self) -> Result<()> {
        let r = &mut self.recorder;
        r.say("4: every character, coloured by what the merge cost it");
        r.press("4", 3.0)?;
        self.still(
            "forgetting",
            "Every character of the foundation, coloured by what the merge cost it",
        )?;
        let r = &mut self.recorder;
        r.say(
            "v: the classes that the task was about against the rest, and loss against similarity",
        );
        r.press("v", 0.8)?;
        r.press("v", 3.0)?;
        self.still(
            "context",
            "What the classes lost against how similar they are to the task",
        )?;
        let r = &mut self.recorder;
        r.press("v", 0.5)?;
        r.say("Enter: one class, its figures merge by merge, and the very images that were lost");
        r.press("\r", 0.5)?;
        r.watch("taken for", 1, 1.0)?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        r.hold(3.0);
        self.still("card", "A class's card with the test images that it lost")?;
        self.recorder.press("\u{1b}", 0.5)
    }

    fn second_task(&mut self) -> Result<()> {
        let r = &mut self.recorder;
        r.say("s: the next task begins from these weights");
        r.press("2s", 0.3)?;
        r.watch("trained 2/5", 12, 0.2)?;
        r.say("m: merged, and measured");
        r.press("3m", 0.3)?;
        r.watch("measured after 2/5", 5, 0.3)?;
        r.hold(2.0);
        Ok(())
    }

    fn branch(&mut self) -> Result<()> {
        let r = &mut self.recorder;
        r.say("B: a branch begins with the rows up to the cursor's and goes on at rank 1");
        r.press("k", 0.5)?;
        r.press("B", 1.0)?;
        r.press("jjj", 0.15)?;
        r.press("hhhh", 0.3)?;
        r.hold(1.0);
        r.press("\r", 1.0)?;
        r.press("y", 0.3)?;
        r.watch("▸3 Matrix", 1, 0.5)?;
        r.press("2", 0.3)?;
        r.press("s", 0.3)?;
        r.watch("trained 2/5", 10, 0.2)?;
        r.press("3m", 0.3)?;
        r.watch("measured after 2/5", 4, 0.3)?;
        r.hold(2.0);
        Ok(())
    }

    fn compare(&mut self) -> Result<()> {
        let r = &mut self.recorder;
        r.say("7: the runs of this folder, branches below what they come from");
        r.press("7", 2.0)?;
        self.still(
            "runs",
            "The runs of a folder as a tree of branches, and in what their recipes differ",
        )?;
        let r = &mut self.recorder;
        r.say("=: this run's matrix less the other's, cell by cell");
        r.press("=", 0.2)?;
        r.watch("difference  this run less A", 1, 0.3)?;
        r.wait_until(|screen| !screen.contains("reading the run"))?;
        r.hold(3.0);
        self.still("compare", "The difference of two runs' accuracy matrices")
    }

    fn undo(&mut self) -> Result<()> {
        let r = &mut self.recorder;
        r.say("u: the last merge is taken back, to the very bits of before");
        r.press("u", 1.5)?;
        r.press("y", 0.3)?;
        r.watch("measured after 1/5", 1, 1.5)
    }

    fn rest(&mut self) -> Result<()> {
        self.recorder.say("5, 6: the journal, and the machine");
        self.recorder.press("5", 1.5)?;
        self.still("log", "The run's journal in words")?;
        self.recorder.press("6", 1.5)?;
        self.still("machine", "What the machine does while it trains")?;
        self.recorder.say(": finds any action by a word of it");
        self.recorder.press(":mer", 0.3)?;
        self.recorder.hold(1.0);
        self.still("actions", "The list of all actions, searched")?;
        self.recorder.press("\u{1b}", 0.2)?;
        self.recorder.say("X: tables and figures for a paper");
        self.recorder.press("3X", 1.5)?;
        self.still("export", "The export menu")?;
        let r = &mut self.recorder;
        r.press("\r", 0.3)?;
        r.watch("exported to", 1, 2.0)?;
        r.press("q", 0.0)
    }
}
