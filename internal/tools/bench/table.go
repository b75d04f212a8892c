package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// table is what was measured of two sides.
type table struct {
	name    string
	columns [2]column
	order   []string // of the rows
}

type column struct {
	name   string
	values map[string][]float64 // by the name of the row
}

// note adds what one call of the program has printed.
func (t *table) note(side int, said []byte) error {
	c := &t.columns[side]
	if c.values == nil {
		c.values = map[string][]float64{}
	}
	lines := bufio.NewScanner(bytes.NewReader(said))
	for lines.Scan() {
		name, number, _ := strings.Cut(lines.Text(), " ")
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return fmt.Errorf("line %q: %w", lines.Text(), err)
		}
		c.values[name] = append(c.values[name], v)
		if !slices.Contains(t.order, name) {
			t.order = append(t.order, name)
		}
	}
	return lines.Err()
}

// print shows the medians, how far the measurements lie apart, and the ratio.
func (t *table) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	a, b := t.columns[0], t.columns[1]
	fmt.Fprintf(w, "%s\t%s\t±\t%s\t±\tratio\t\n", t.name, a.name, b.name)
	for _, name := range t.order {
		am, as := spread(a.values[name])
		bm, bs := spread(b.values[name])
		fmt.Fprintf(w, "%s\t%.0f\t%.0f%%\t%.0f\t%.0f%%\t%.3f\t\n", name, am, as, bm, bs, bm/am)
	}
	_ = w.Flush()
	fmt.Fprintln(out)
}

// spread returns the median, and half the distance between the smallest and
// the largest in percent of it.
func spread(v []float64) (median, percent float64) {
	if len(v) == 0 {
		return 0, 0
	}
	v = slices.Sorted(slices.Values(v))
	median = v[len(v)/2]
	if median == 0 {
		return 0, 0
	}
	return median, (v[len(v)-1] - v[0]) / 2 / median * 100
}
