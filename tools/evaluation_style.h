// How the page of an evaluation looks: light or dark as the reader's system is, and always light on paper.
#pragma once

#include <string_view>

namespace residua::tool {

// Blue stands for what an image shows, orange for what it was taken for: a pair that people who see fewer colours tell
// apart, in print too, where one is darker. Words beside them say the same.
inline constexpr std::string_view evaluation_style = R"css(
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #ffffff; --ink: #1c1e21; --soft: #5b6168; --line: #dcd9d3;
  --truth: #0b62a4; --guess: #d9730d; --band: #b9d4ea; --track: #ecebe7; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --card: #1f2226; --ink: #ebe9e4; --soft: #a3a8ae;
  --line: #363a40; --truth: #6db6ee; --guess: #f0a04b; --band: #2f4f69; --track: #2b2f34; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 72rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3rem 0 .25rem; }
p { margin: 0 0 1rem; color: var(--soft); max-width: 46rem; }
.scores { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem; margin: 1.75rem 0 1rem; }
.card, figure { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
.card { padding: 1.1rem 1.25rem; }
.card .name { color: var(--soft); }
.card .value { font-size: 2.6rem; line-height: 1.15; font-weight: 650; letter-spacing: -.02em; }
.card .value small { font-size: 1.2rem; font-weight: 500; }
.card .note { color: var(--soft); font-size: .9rem; }
.range { position: relative; height: .8rem; margin: .7rem 0 .5rem; background: var(--track); border-radius: .4rem; }
.range i, .range b { position: absolute; top: 0; bottom: 0; }
.range i { background: var(--band); border-radius: .4rem; }
.range b { width: 3px; margin-left: -1.5px; top: -.2rem; bottom: -.2rem; background: var(--truth); border-radius: 2px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.wrong { display: grid; grid-template-columns: repeat(auto-fill, minmax(21rem, 1fr)); gap: 1rem; margin-top: 1rem; }
figure { margin: 0; overflow: hidden; break-inside: avoid; display: flex; flex-direction: column; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; background: var(--line); }
.pair.alone { grid-template-columns: 1fr; }
.pair img { width: 100%; height: 11rem; object-fit: contain; background: #101214; display: block; }
figcaption { padding: .7rem .9rem .8rem; display: grid; grid-template-columns: max-content 1fr max-content;
  gap: .1rem .7rem; align-items: baseline; font-size: .92rem; }
figcaption .what { color: var(--soft); } figcaption .label { font-weight: 600; overflow-wrap: anywhere; }
figcaption .bar { grid-column: 1 / -1; margin-bottom: .35rem; }
.path { grid-column: 1 / -1; color: var(--soft); font-size: .8rem; overflow-wrap: anywhere; }
.bar { height: .5rem; background: var(--track); border-radius: .25rem; overflow: hidden; min-width: 5rem; }
.bar i { display: block; height: 100%; min-width: 2px; background: var(--truth); }
.bar.guess i { background: repeating-linear-gradient(115deg, var(--guess) 0 6px, color-mix(in srgb, var(--guess) 70%,
  var(--card)) 6px 9px); }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; margin-top: .75rem; }
th { text-align: left; font-weight: 600; color: var(--soft); border-bottom: 2px solid var(--line); }
th, td { padding: .35rem .9rem .35rem 0; vertical-align: middle; }
td { border-bottom: 1px solid var(--line); } tr { break-inside: avoid; }
.number { text-align: right; white-space: nowrap; } .wide { width: 22%; } .soft { color: var(--soft); }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --truth: #0b62a4;
    --guess: #c65f00; --band: #b9d4ea; --track: #e8e8e8; }
  body { font-size: 10pt; } main { padding: 0; max-width: none; } h2 { break-after: avoid; margin-top: 1.5rem; }
  .wrong { grid-template-columns: 1fr 1fr; } .pair img { height: 8rem; background: #eee; } thead { display: table-header-group; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)css";

}  // namespace residua::tool
