"""What the page of a run shows: data from the files of its folder, and the self-contained HTML it is put into."""
