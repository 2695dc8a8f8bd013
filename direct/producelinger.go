package direct

// produceLinger is an open batch that waits for more, until it is due.
type produceLinger struct {
	due int64 // ns
	of  *producePartition
}

// produceLingers is a heap: the one that is due first is at its beginning.
type produceLingers []produceLinger

func (h *produceLingers) push(l produceLinger) {
	*h = append(*h, l)
	h.up(len(*h) - 1)
}

// pop takes the first out.
func (h *produceLingers) pop() *producePartition {
	t := (*h)[0].of
	h.drop(0)
	return t
}

// remove takes out what is there of a partition.
func (h *produceLingers) remove(t *producePartition) {
	for i := len(*h) - 1; i >= 0; i-- {
		if (*h)[i].of == t {
			h.drop(i)
		}
	}
}

func (h *produceLingers) drop(i int) {
	all := *h
	last := len(all) - 1
	all[i], all[last] = all[last], produceLinger{}
	*h = all[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h *produceLingers) up(i int) {
	all := *h
	for i > 0 && all[i].due < all[(i-1)/2].due {
		all[i], all[(i-1)/2] = all[(i-1)/2], all[i]
		i = (i - 1) / 2
	}
}

func (h *produceLingers) down(i int) {
	all := *h
	for {
		least := 2*i + 1
		if least >= len(all) {
			return
		}
		if right := least + 1; right < len(all) && all[right].due < all[least].due {
			least = right
		}
		if all[i].due <= all[least].due {
			return
		}
		all[i], all[least] = all[least], all[i]
		i = least
	}
}
