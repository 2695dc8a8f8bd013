package observe

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// children are the ids of the processes that the threads of this one have started and
// that have not been waited for. A kernel may be built without these lists
// (CONFIG_PROC_CHILDREN); then all processes are asked for their parent.
func children(pid int) []int {
	dir := fmt.Sprintf("proc/%d/task", pid)
	tasks, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil
	}
	var pids []int
	for _, task := range tasks {
		list, err := fs.ReadFile(root, dir+"/"+task.Name()+"/children")
		if err != nil {
			if _, gone := fs.Stat(root, dir+"/"+task.Name()); gone != nil {
				continue
			}
			return childrenOf(root, pid)
		}
		for _, child := range strings.Fields(string(list)) {
			if n, err := strconv.Atoi(child); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// childrenOf looks for the children of a process among all.
func childrenOf(root fs.FS, pid int) []int {
	all, err := fs.ReadDir(root, "proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range all {
		n, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, err := fs.ReadFile(root, "proc/"+entry.Name()+"/stat")
		if err != nil {
			continue
		}
		if s, err := parseStat(line); err == nil && s.parent == pid {
			pids = append(pids, n)
		}
	}
	return pids
}
