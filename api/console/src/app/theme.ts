/** The component library's theme. Its colours are in theme.css: the content security policy allows no style element. */
import { Anchor, createTheme, Drawer, Modal, Tooltip } from "@mantine/core";

export const theme = createTheme({
  respectReducedMotion: true,
  cursorType: "pointer",
  components: {
    Anchor: Anchor.extend({ defaultProps: { inherit: true } }),
    // Locking the page's scroll behind a dialog adds a style element, which the policy refuses.
    Modal: Modal.extend({ defaultProps: { lockScroll: false, centered: true } }),
    // Most drawers hold a form, and a click beside one must not throw away what was typed.
    Drawer: Drawer.extend({ defaultProps: { lockScroll: false, position: "right", size: "min(720px, 100vw)", closeOnClickOutside: false } }),
    Tooltip: Tooltip.extend({ defaultProps: { events: { hover: true, focus: true, touch: true }, withinPortal: true } }),
  },
});
