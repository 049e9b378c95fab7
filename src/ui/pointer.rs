//! The mouse: the wheel moves what the cursor moves through, a click goes to what it is on.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::actions::{Action, Layer, Screen};
use super::app::App;
use super::effect::Effect;
use super::views::{body, chrome, matrix, setup, top};

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
            Pointer::Click { x, y } if layer == Layer::Screen => return self.on_click(x, y),
            Pointer::Click { .. } => {}
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

    fn on_click(&mut self, x: u16, y: u16) -> Vec<Effect> {
        let (width, height) = self.size;
        if y == 1 {
            let tabs = chrome::tabs(self.screen, width);
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
        match (self.screen, &self.run) {
            (Screen::SetUp, _) => {
                if let Some(field) = setup::field_at(self, size, y) {
                    self.set_up.go_to(field);
                    self.touch();
                }
            }
            (Screen::Matrix, Some(run)) => {
                if let Some((row, column)) = matrix::cell_at(run, &self.matrix, size, (x, y)) {
                    self.matrix.put(run, row, column);
                    self.touch();
                }
            }
            _ => {}
        }
        Vec::new()
    }
}
