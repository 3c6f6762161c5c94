"""Style sheet and script of the report: our own, small, for light and dark, paper and phone."""

N_COLOURS = 12
"""Colours of groups; the script and the charts name them by number."""

STYLE = (
    """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#56616f;--line:#dde2e9;
--grid:#e9edf2;--accent:#1f5fbf;--good:#1a7f47;--bad:#b3261e;--old:#c3cad4;
--c0:#2563b8;--c1:#c25a00;--c2:#1f8a5b;--c3:#b0367c;--c4:#7a5cc4;--c5:#8a6d00;--c6:#00838f;
--c7:#b23a3a;--c8:#3f51b5;--c9:#5f7f1f;--c10:#a0522d;--c11:#5b7083}
:root[data-theme=dark]{--bg:#12161c;--card:#1a2028;--ink:#e8ecf1;--soft:#a3afbd;--line:#313b47;
--grid:#262f3a;--accent:#7fb0ff;--good:#63cf94;--bad:#ff8a80;--old:#4a5563;
--c0:#6ea8fe;--c1:#ffa657;--c2:#56d29a;--c3:#f17fbf;--c4:#b79cff;--c5:#e0c04c;--c6:#4dd0e1;
--c7:#ff8a80;--c8:#9fa8ff;--c9:#b6d957;--c10:#e0a07a;--c11:#a9bccd}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:4rem}
body{margin:0;background:var(--bg);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
a{color:var(--accent)}
header,main,footer{max-width:1120px;margin:0 auto;padding:0 1rem}
header{padding-top:1.6rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.01em}
h2{font-size:1.25rem;margin:0 0 .2rem;letter-spacing:-.005em}
h3{font-size:1rem;margin:1.3rem 0 .2rem}
p{margin:.35rem 0;max-width:75ch}
.soft,.note,.lede{color:var(--soft)}
.note{font-size:.86rem}
nav{position:sticky;top:0;z-index:5;background:var(--bg);border-bottom:1px solid var(--line);
margin-top:1rem}
nav>div{max-width:1120px;margin:0 auto;padding:.5rem 1rem;display:flex;gap:.35rem 1rem;
overflow-x:auto;white-space:nowrap;font-size:.9rem}
nav a{text-decoration:none;padding:.15rem 0}
nav a:hover{text-decoration:underline}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;margin:1.1rem 0;
padding:1.1rem 1.2rem 1.2rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.6rem;
margin:1.1rem 0 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.55rem .75rem}
.tile b{display:block;font-size:1.3rem;font-weight:650;line-height:1.25;
font-variant-numeric:tabular-nums}
.tile span{font-size:.82rem;color:var(--soft)}
.badge{display:inline-block;border-radius:99px;padding:.05rem .6rem;font-size:.85rem;
font-weight:600;border:1px solid currentColor;vertical-align:middle}
.ok{color:var(--good)}.failed,.interrupted,.running{color:var(--bad)}
.alert{border-left:4px solid var(--bad);padding:.3rem .8rem;margin:.8rem 0;background:var(--card)}
.scroll{overflow-x:auto;margin:.5rem 0}
.scroll:focus-visible,summary:focus-visible,a:focus-visible,button:focus-visible{
outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;min-width:40%}
th,td{text-align:left;padding:.28rem .9rem .28rem 0;border-bottom:1px solid var(--grid);
vertical-align:top;white-space:nowrap}
td:last-child:not(.n){white-space:normal;min-width:11rem;padding-right:0}
th{color:var(--soft);font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right}
svg{display:block;width:100%;height:auto;font:12px system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
.chart svg{min-width:640px}
.small svg{min-width:0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(330px,100%),1fr));gap:1rem}
svg text{fill:var(--ink)}svg .t{fill:var(--soft)}svg .on{fill:var(--card);font-weight:600}
svg .g{stroke:var(--grid);stroke-width:1}svg .ax{stroke:var(--line);stroke-width:1}
svg .ln{fill:none;stroke-width:2;stroke-linejoin:round}
svg .band{opacity:.2;stroke:none}
svg .box{fill:var(--card);stroke:var(--line)}
svg [data-tip]:hover{opacity:.75}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;font-size:.86rem;margin:.3rem 0;padding:0;
list-style:none}
.legend i{display:inline-block;width:.75rem;height:.75rem;border-radius:3px;margin-right:.35rem;
vertical-align:-.05rem}
details{border-top:1px solid var(--grid);padding:.35rem 0}
details[open]{padding-bottom:.8rem}
summary{cursor:pointer;padding:.2rem 0}
code,pre{font:.84rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{overflow-x:auto;background:var(--bg);border-radius:8px;padding:.7rem .9rem;margin:.5rem 0}
code{overflow-wrap:anywhere}
.bar{display:inline-block;height:.65rem;border-radius:2px;background:var(--c0);min-width:1px}
.heat{display:block;padding:0 .35rem;border-radius:4px;
background:color-mix(in srgb,var(--c0) calc(var(--v)*45%),transparent)}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--bg);
border-radius:6px;padding:.25rem .55rem;font-size:.82rem;max-width:min(340px,80vw);display:none}
button{font:inherit;font-size:.85rem;color:var(--ink);background:var(--card);
border:1px solid var(--line);border-radius:8px;padding:.15rem .6rem;cursor:pointer}
.top{display:flex;gap:1rem;justify-content:space-between;align-items:flex-start}
footer{padding:1rem 1rem 3rem;color:var(--soft);font-size:.86rem}
@media(max-width:600px){section{padding:.9rem .85rem;border-radius:8px}h1{font-size:1.35rem}
body{font-size:15px}}
@media print{nav,button{display:none}section{break-inside:avoid}}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
"""
    + "".join(
        f".f{n}{{fill:var(--c{n})}}.s{n}{{stroke:var(--c{n})}}.b{n}{{background:var(--c{n})}}"
        for n in range(N_COLOURS)
    )
    + ".fo{fill:var(--old)}.so{stroke:var(--old)}.bo{background:var(--old)}"
)

SCRIPT = """
(function () {
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function show() { root.dataset.theme = chosen || (dark.matches ? "dark" : "light"); }
  var chosen = "";
  show();
  dark.addEventListener("change", show);
  document.getElementById("theme").addEventListener("click", function () {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    show();
  });
  var tip = document.getElementById("tip");
  function hide() { tip.style.display = "none"; }
  document.addEventListener("pointermove", function (event) {
    var over = event.target.closest && event.target.closest("[data-tip]");
    if (!over) { hide(); return; }
    tip.textContent = over.getAttribute("data-tip");
    tip.style.display = "block";
    var x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    var y = event.clientY + 16;
    if (y + tip.offsetHeight > window.innerHeight) { y = event.clientY - tip.offsetHeight - 10; }
    tip.style.left = Math.max(8, x) + "px";
    tip.style.top = y + "px";
  });
  document.addEventListener("scroll", hide, true);
  function unfold() {
    var to = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (to && to.tagName === "DETAILS") { to.open = true; }
  }
  window.addEventListener("hashchange", unfold);
  unfold();
})();
"""
