//! The mouse: the wheel moves what the cursor moves through, a click goes to what it is on.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::actions::{Action, Layer, Screen};
use super::app::App;
use super::effect::Effect;
use super::views::sweep::Geometry;
use super::views::{body, chrome, commands, matrix, picker, setup, top};

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// The wheel was turned by a notch.
    Wheel {
        /// Towards its user.
        down: bool,
    },
    /// The left button was pressed on a cell of the screen.
    Click {
        /// Its column.
        x: u16,
        /// Its row.
        y: u16,
    },
}

/// Lines that a notch of the wheel scrolls where there is only text.
const NOTCH: usize = 3;

impl Pointer {
    /// What a terminal's event means; `None` for one that nothing listens to.
    pub fn from_event(event: MouseEvent) -> Option<Self> {
        match event.kind {
            MouseEventKind::ScrollUp => Some(Self::Wheel { down: false }),
            MouseEventKind::ScrollDown => Some(Self::Wheel { down: true }),
            MouseEventKind::Down(MouseButton::Left) => Some(Self::Click {
                x: event.column,
                y: event.row,
            }),
            _ => None,
        }
    }
}

impl App {
    /// The mouse did something.
    pub fn on_pointer(&mut self, pointer: Pointer) -> Vec<Effect> {
        let layer = self.situation().layer;
        match pointer {
            Pointer::Wheel { down } => self.on_wheel(layer, down),
            Pointer::Click { x, y } => return self.on_click(layer, (x, y)),
        }
        Vec::new()
    }

    fn on_wheel(&mut self, layer: Layer, down: bool) {
        let text = layer == Layer::Help || (layer == Layer::Screen && self.screen == Screen::Log);
        let lines = match layer {
            Layer::TooSmall | Layer::Question | Layer::Typing => 0,
            _ if text => NOTCH,
            _ => 1,
        };
        let action = if down { Action::Down } else { Action::Up };
        for _ in 0..lines {
            // Cursors only move: nothing is asked of the program.
            self.on_action(action);
        }
    }

    fn on_click(&mut self, layer: Layer, (x, y): (u16, u16)) -> Vec<Effect> {
        let (width, height) = self.size;
        if y == 1 && layer == Layer::Screen {
            let tabs = chrome::tabs(self, width);
            let tab = tabs.iter().find(|tab| (tab.from..tab.end()).contains(&x));
            return tab.map_or_else(Vec::new, |tab| self.on_action(Action::Go(tab.screen)));
        }
        let (Some(x), Some(y)) = (x.checked_sub(1), y.checked_sub(top(height))) else {
            return Vec::new();
        };
        let size = body(width, height);
        if x >= size.0 || y >= size.1 {
            return Vec::new();
        }
        self.touch();
        match (layer, self.screen, &self.run) {
            (Layer::Commands, ..) => self.click_command((x + 1, y), (width, size.1)),
            (Layer::List, ..) => {
                if let Some(picker) = self.set_up.picker()
                    && let Some(choice) = picker::choice_at(picker, size.1, y)
                {
                    self.set_up.choose_in_list(choice);
                }
            }
            (Layer::Screen, Screen::SetUp, _) => {
                if let Some(field) = setup::field_at(self, size, y) {
                    self.set_up.go_to(field);
                }
            }
            (Layer::Screen, Screen::Matrix, Some(run)) => {
                if let Some((row, column)) = matrix::cell_at(self, run, size, (x, y)) {
                    self.matrix.put(run, row, column);
                }
            }
            (Layer::Screen, Screen::Sweep, _) => {
                if let Some(open) = &mut self.sweep
                    && let Some(run) = Geometry::of(open, size).run_at(open, (x, y))
                {
                    open.chosen = run;
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Puts the cursor of the list of actions on one of them; it is done by its key, never by a slip of the hand.
    fn click_command(&mut self, place: (u16, u16), size: (u16, u16)) {
        let count = self.entries().len();
        if let Some(commands) = &mut self.commands
            && let Some(at) = commands::entry_at(commands.at, count, size, place)
        {
            commands.at = at;
        }
    }
}
