"""How the report looks: one column, light and dark, on a phone too."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --paper: #fdfdfc; --ink: #1d1f21; --soft: #5d6268; --line: #dcdcd8; --box: #f3f3f0;
  --a: #0072b2; --b: #b35a00; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181a; --ink: #e9e9e6; --soft: #a3a8ad; --line: #35393d;
  --box: #1f2225; --a: #56b4e9; --b: #f0a640; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .4rem 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { max-width: 46rem; margin: .5rem 0; } .soft { color: var(--soft); font-size: .9rem; }
a { color: inherit; } .name-a, .name-b { font-weight: 650; overflow-wrap: anywhere; }
.name-a { color: var(--a); } .name-b { color: var(--b); }
.sides { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }
.side { background: var(--box); border-radius: .5rem; padding: .7rem .9rem; border-top: 4px solid; }
.side.a { border-color: var(--a); } .side.b { border-color: var(--b); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .4rem 0 0; font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.verdict { background: var(--box); border-left: 4px solid var(--soft);
  padding: .6rem .9rem; border-radius: 0 .4rem .4rem 0; }
.wide { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; min-width: 100%; font-size: .93rem; }
th, td { padding: .28rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--paper); }
thead th { font-weight: 600; color: var(--soft); }
thead th.name-a { color: var(--a); } thead th.name-b { color: var(--b); }
td.sure { font-weight: 650; } td.better-a { color: var(--a); } td.better-b { color: var(--b); }
.tag { font-size: .75rem; color: var(--soft); border: 1px solid var(--line); border-radius: 1rem; padding: 0 .45rem;
  margin-left: .4rem; }
.whisker { width: 120px; height: 18px; vertical-align: middle; }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
figure { margin: .6rem 0; } figcaption { color: var(--soft); font-size: .88rem; margin-top: .2rem; }
svg text { fill: var(--ink); font-size: 14px; } svg .grid { stroke: var(--line); stroke-width: 1; }
svg .dotted { stroke: var(--soft); stroke-dasharray: 2 4; }
svg .stroke { fill: none; stroke-width: 2.5; } svg .stroke.a { stroke: var(--a); } svg .stroke.b { stroke: var(--b); }
svg .fill.a { fill: var(--a); } svg .fill.b { fill: var(--b); }
svg .stroke.none { stroke: var(--soft); } svg .fill.none { fill: var(--soft); }
.chart { width: 100%; max-width: 36rem; display: block; }
.row { display: grid; gap: .4rem; grid-template-columns: repeat(auto-fit, minmax(min(9.5rem, 44%), 1fr)); }
.row figure { margin: 0; } .row img { width: 100%; height: auto; display: block; border-radius: .25rem; }
.key { display: flex; flex-wrap: wrap; gap: .2rem .9rem; font-size: .88rem; margin: .5rem 0; }
.key i { display: inline-block; width: .9em; height: .9em; margin-right: .35em; vertical-align: -.08em;
  border: 1px solid var(--soft); border-radius: .15em; }
pre { background: var(--box); padding: .7rem .9rem; border-radius: .4rem; overflow-x: auto; font-size: .85rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 34rem) { table { font-size: .8rem; } th, td { padding: .25rem .28rem; } .tag { display: none; }
  .whisker { width: 84px; } }
@media print { body { max-width: none; } figure, tr { break-inside: avoid; } }
"""
