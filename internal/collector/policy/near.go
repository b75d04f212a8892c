package policy

// near reports whether one name becomes the other when a letter or two are changed: who
// misspells a setting would else have it skipped as somebody else's.
func near(a, b string) bool {
	const most = 2
	if len(a) < 8 || len(a)-len(b) > most || len(b)-len(a) > most {
		return false
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)] <= most
}
