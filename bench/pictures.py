# SPDX-License-Identifier: Apache-2.0
"""Pictures of what was measured: gnuplot draws them into docs/pictures. Without gnuplot there are none."""
import os
import shutil
import subprocess
import tempfile

from lab.net import ROOT

FOLDER = os.path.join(ROOT, "docs", "pictures")
STYLE = """set terminal pngcairo noenhanced size 960,440 font "DejaVu Sans,11" background "#ffffff"
set output {output}
set title {title} font ",13"
set label {caption} at screen 0.01,0.03 font ",9" textcolor "#666666"
set bmargin 6
set border 3 linecolor "#888888"
set tics nomirror textcolor "#333333"
set grid ytics linecolor "#dddddd"
set key outside top right horizontal
set linetype 1 linecolor "#1f5fa8"
set linetype 2 linecolor "#e08a1e"
set linetype 3 linecolor "#9a9a9a"
set linetype 4 linecolor "#3f8f4f"
"""


def text(value):
    """A string of gnuplot."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def machine():
    """Where a picture comes from: commit and machine."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return f"commit {commit.stdout.strip() or 'unknown'}, {os.cpu_count()} processors, Linux {os.uname().release.split('-')[0]}"


def draw(name, title, rows, script, caption=None):
    """Draws docs/pictures/NAME.png. `rows`: the lines of the file that the script calls DATA, its fields separated by
    tabs."""
    if shutil.which("gnuplot") is None:
        print("no picture: gnuplot (Debian package gnuplot-nox) is missing")
        return
    os.makedirs(FOLDER, exist_ok=True)
    output = os.path.join(FOLDER, name + ".png")
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as data:
        data.write("".join("\t".join(str(field) for field in row) + "\n" for row in rows))
        data.flush()
        style = STYLE.format(output=text(output), title=text(title), caption=text(caption or machine()))
        commands = f'DATA = {text(data.name)}\n{style}set datafile separator "\\t"\n{script}\n'
        subprocess.run(["gnuplot"], input=commands, text=True, check=True)
    print(f"picture: {os.path.relpath(output)}")


def bars(name, title, unit, groups, series, caption=None):
    """Groups of bars. `groups`: {what stands below a group: [a value of each series]}; None leaves a bar out."""
    rows = [[what] + ["NaN" if value is None else f"{value:.3f}" for value in values] for what, values in groups.items()]
    turned = "set xtics rotate by -30\nset bmargin 7" if len(groups) > 6 else ""
    plots = ", ".join(f"DATA using {n + 2}:xtic(1) title {text(label)} linetype {n + 1}" for n, label in enumerate(series))
    draw(name, title, rows, f"""set style data histogram
set style histogram clustered gap 1
set style fill solid border -1
set boxwidth 0.9
set yrange [0:*]
set ylabel {text(unit)}
{turned}
plot {plots}""", caption)


def curves(name, title, unit, series, marks, style="lines linewidth 2"):
    """Values over time. `series`: {label: [(second, value)]}; `marks`: {second: what happens then}."""
    rows = []
    for points in series.values():
        rows += [[f"{second:.4f}", f"{value:.3f}"] for second, value in points] + [[], []]
    plots = ", ".join(f"DATA index {n} using 1:2 with {style} linetype {n + 1} title {text(label)}"
                      for n, label in enumerate(series))
    lines = "".join(f"set arrow from {at}, graph 0 to {at}, graph 1 nohead dashtype 2 linecolor \"#888888\"\n"
                    f"set label {text(what)} at {at}, graph 0.96 offset 0.5,0 font \",9\"\n" for at, what in marks.items())
    draw(name, title, rows, f"""set yrange [0:*]
set xrange [*:*] noextend
set xlabel "seconds"
set ylabel {text(unit)}
{lines}plot {plots}""")
