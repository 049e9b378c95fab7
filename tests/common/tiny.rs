//! The smallest run: one task.

/// A preset of one task that is learned in `steps` steps of a moment each.
pub fn preset(steps: u32) -> String {
    format!(
        "name = \"short\"\nbackbone.source = \"bundled:glyph-vit\"\nlora.rank = 2\nmeasure.permutations = 99\n\
         [train]\nsteps = {steps}\nbatch_size = 4\nlr = 1e-3\nweight_decay = 1e-2\nwarmup = 0.1\n\
         [foundation]\ndata = \"bundled:latin\"\nper_class = 1\n\
         [[task]]\nid = \"parity\"\ndata = \"bundled:parity\"\nper_class = 10\n"
    )
}
