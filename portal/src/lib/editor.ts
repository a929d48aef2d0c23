/** The editor of SQL (CodeMirror), a file of its own: it is loaded when somebody is to type a query.
 *
 * It stands in a shadow root, where CodeMirror makes its styles as constructed style sheets: the
 * pages' policy allows no style that is written into the document.
 */

import { autocompletion, completionKeymap, type CompletionContext } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { sql, SQLDialect } from "@codemirror/lang-sql";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Directory } from "./directory";
import { complete, type Span } from "./sql";

export interface Editor {
  text: () => string;
  set: (text: string) => void;
  /** Show a place, and go there. */
  mark: (span: Span) => void;
  /** Write at the cursor. */
  insert: (text: string) => void;
  destroy: () => void;
}

const KEYWORDS =
  "select from where group by order having qualify limit offset join left right full inner outer cross natural " +
  "using on with recursive as and or not in between like ilike is null distinct case when then else end union " +
  "all except intersect asc desc nulls first last filter over partition rows range preceding following current " +
  "row unbounded window cast try_cast exists any true false interval exclude replace values pivot unpivot asof " +
  "positional lateral describe show tables summarize";
const TYPES = "date timestamp time varchar text integer bigint double float boolean interval decimal";
const DIALECT = SQLDialect.define({
  keywords: KEYWORDS, types: TYPES, doubleDollarQuotedStrings: false, operatorChars: "*+-%<>!=&|~^/",
});

const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--series-2)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--series-3)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--series-1)" },
  { tag: tags.typeName, color: "var(--series-4)" },
  { tag: [tags.lineComment, tags.blockComment], color: "var(--quiet)", fontStyle: "italic" },
]);

const THEME = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--ground)", borderRadius: "var(--round)",
    border: "1px solid var(--line)", fontSize: "0.95rem" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", minHeight: "9rem", maxHeight: "50vh" },
  ".cm-content": { caretColor: "var(--accent)", padding: "0.5rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--quiet)", border: "0" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--line) 35%, transparent)" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground":
    { backgroundColor: "color-mix(in srgb, var(--link) 35%, transparent)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--line)", color: "inherit" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--text)", border: "1px solid var(--line)",
    borderRadius: "var(--round)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "14rem", maxWidth: "min(30rem, 90vw)" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.2rem 0.5rem" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--line)", color: "var(--text)" },
  ".cm-completionDetail": { color: "var(--quiet)", fontStyle: "normal", marginLeft: "1em" },
  ".cm-completionMatchedText": { textDecoration: "none", color: "var(--accent)" },
  ".cm-completionInfo": { padding: "0.4rem 0.6rem", maxWidth: "22rem", fontFamily: "var(--font)" },
});

/** `changed`: called with each new text; `run`: for Ctrl+Enter. */
export function edit(
  host: HTMLElement,
  text: string,
  directory: () => Directory | null,
  changed: (text: string) => void,
  run: () => void,
): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        bracketMatching(),
        EditorView.lineWrapping,
        sql({ dialect: DIALECT }),
        syntaxHighlighting(COLOURS),
        THEME,
        autocompletion({ override: [(context) => completions(context, directory())], icons: false }),
        // Not Tab: by it one leaves the editor.
        keymap.of([
          { key: "Ctrl-Enter", mac: "Cmd-Enter", run: () => (run(), true) },
          ...completionKeymap, ...historyKeymap, ...defaultKeymap,
        ]),
        EditorView.contentAttributes.of({ "aria-label": "Query in SQL", spellcheck: "false" }),
        EditorView.domEventHandlers({ beforeinput: typedOver }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) changed(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (now) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: now } }),
    mark: ({ from, to }) => {
      const end = Math.min(to, view.state.doc.length);
      view.dispatch({ selection: { anchor: Math.min(from, end), head: end }, scrollIntoView: true });
      view.focus();
    },
    insert: (now) => {
      view.dispatch(view.state.replaceSelection(now));
      view.focus();
    },
    destroy: () => view.destroy(),
  };
}

/** Where several lines are typed over, browsers write the style of what was there into the document,
 * which the policy forbids: so that is done here. */
function typedOver(event: InputEvent, view: EditorView): boolean {
  const { data, inputType } = event;
  if (inputType !== "insertText" || data === null || view.state.selection.main.empty) return false;
  view.dispatch(view.state.replaceSelection(data), { userEvent: "input.type", scrollIntoView: true });
  return true;
}

function completions(context: CompletionContext, of: Directory | null) {
  if (of === null) return null;
  const found = complete(context.state.doc.toString(), context.pos, of, context.explicit);
  if (found === null) return null;
  const boost = { column: 3, table: 2, function: 1, keyword: 0 } as const;
  return {
    from: found.from,
    options: found.options.map(({ label, kind, detail, info, apply }) => ({
      label, boost: boost[kind], ...(detail ? { detail } : {}), ...(info ? { info } : {}), ...(apply ? { apply } : {}),
    })),
    validFor: /^\w*$/,
  };
}
