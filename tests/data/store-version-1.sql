BEGIN TRANSACTION;
CREATE TABLE epochs (
	run_id VARCHAR(40) NOT NULL, 
	segment INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	megabatch BIGINT, 
	epoch BIGINT, 
	learning_rate FLOAT, 
	train_loss FLOAT, 
	train_accuracy FLOAT, 
	val_loss FLOAT, 
	val_accuracy FLOAT, 
	samples_seen BIGINT, 
	density FLOAT, 
	seconds FLOAT, 
	is_best BOOLEAN, 
	PRIMARY KEY (run_id, segment, seq), 
	FOREIGN KEY(run_id) REFERENCES runs (run_id) ON DELETE CASCADE
);
INSERT INTO "epochs" VALUES('20261121-030854-85df',1,0,0,0,1.00000000000000019428e-02,2.30352981002242485075e+00,1.11111111111111104943e-01,2.29529635111490870613e+00,0.0,54,0.8,3.63018299685791134834e-03,1);
INSERT INTO "epochs" VALUES('20261121-030854-85df',4,0,1,0,1.00000000000000019428e-02,2.30790265401204441886e+00,1.11111111111111104943e-01,2.32985242207845066886e+00,0.0,162,3.66354581673306756162e-01,3.24834199818724300712e-03,1);
CREATE TABLE layers (
	run_id VARCHAR(40) NOT NULL, 
	segment INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	point VARCHAR(8) NOT NULL, 
	nth INTEGER NOT NULL, 
	megabatch INTEGER NOT NULL, 
	layer TEXT NOT NULL, 
	kept BIGINT NOT NULL, 
	alive BIGINT NOT NULL, 
	total BIGINT NOT NULL, 
	PRIMARY KEY (run_id, segment, seq, point, nth), 
	FOREIGN KEY(run_id) REFERENCES runs (run_id) ON DELETE CASCADE
);
INSERT INTO "layers" VALUES('20261121-030854-85df',0,0,'prune',0,0,'fc1.weight',19069,17536,19200);
INSERT INTO "layers" VALUES('20261121-030854-85df',0,1,'prune',0,0,'fc2.weight',20221,20221,30000);
INSERT INTO "layers" VALUES('20261121-030854-85df',0,2,'prune',0,0,'fc3.weight',870,870,1000);
INSERT INTO "layers" VALUES('20261121-030854-85df',2,0,'end',0,0,'fc1.weight',19069,17536,19200);
INSERT INTO "layers" VALUES('20261121-030854-85df',2,1,'end',0,0,'fc2.weight',20221,20221,30000);
INSERT INTO "layers" VALUES('20261121-030854-85df',2,2,'end',0,0,'fc3.weight',870,870,1000);
INSERT INTO "layers" VALUES('20261121-030854-85df',3,0,'prune',0,1,'fc1.weight',8992,8878,19200);
INSERT INTO "layers" VALUES('20261121-030854-85df',3,1,'prune',0,1,'fc2.weight',8721,8688,30000);
INSERT INTO "layers" VALUES('20261121-030854-85df',3,2,'prune',0,1,'fc3.weight',678,678,1000);
INSERT INTO "layers" VALUES('20261121-030854-85df',5,0,'end',0,1,'fc1.weight',8992,8878,19200);
INSERT INTO "layers" VALUES('20261121-030854-85df',5,1,'end',0,1,'fc2.weight',8721,8688,30000);
INSERT INTO "layers" VALUES('20261121-030854-85df',5,2,'end',0,1,'fc3.weight',678,678,1000);
CREATE TABLE megabatches (
	run_id VARCHAR(40) NOT NULL, 
	segment INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	megabatch BIGINT, 
	density_requested FLOAT, 
	density_mask FLOAT, 
	density_effective FLOAT, 
	density_alive FLOAT, 
	train_accuracy FLOAT, 
	val_accuracy FLOAT, 
	test_accuracy FLOAT, 
	test_loss FLOAT, 
	generalization_gap FLOAT, 
	test_errors BIGINT, 
	test_images BIGINT, 
	cer BIGINT, 
	samples_seen BIGINT, 
	train_images BIGINT, 
	seconds FLOAT, 
	order_hash TEXT, 
	PRIMARY KEY (run_id, segment, seq), 
	FOREIGN KEY(run_id) REFERENCES runs (run_id) ON DELETE CASCADE
);
INSERT INTO "megabatches" VALUES('20261121-030854-85df',2,0,0,0.8,0.8,0.8,7.69462151394422311234e-01,1.11111111111111104943e-01,0.0,0.1,2.31123237609863263486e+00,1.11111111111111104943e-01,36,40,36,54,54,2.01149080003233393654e-02,'399d3db114f2ecee65a753b57b3bcb474454643cb1e645988e3a25e83468dd8b');
INSERT INTO "megabatches" VALUES('20261121-030854-85df',5,0,1,3.66357377433565611912e-01,3.66354581673306756162e-01,3.66354581673306756162e-01,3.63426294820717143974e-01,1.11111111111111104943e-01,0.0,0.125,2.30972824096679696381e+00,1.11111111111111104943e-01,35,40,71,162,108,1.23717319984280038625e-02,'74b3c89d7984e42f5534615b19e6706aaeee32c20014969b636dfdfda9e1899e');
CREATE TABLE meta (
	"key" VARCHAR(40) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema','1');
CREATE TABLE prunes (
	run_id VARCHAR(40) NOT NULL, 
	segment INTEGER NOT NULL, 
	seq INTEGER NOT NULL, 
	megabatch BIGINT, 
	density_requested FLOAT, 
	density_mask FLOAT, 
	density_effective FLOAT, 
	density_alive FLOAT, 
	seconds FLOAT, 
	PRIMARY KEY (run_id, segment, seq), 
	FOREIGN KEY(run_id) REFERENCES runs (run_id) ON DELETE CASCADE
);
INSERT INTO "prunes" VALUES('20261121-030854-85df',0,0,0,0.8,0.8,0.8,7.69462151394422311234e-01,1.42340590009553125128e-02);
INSERT INTO "prunes" VALUES('20261121-030854-85df',3,0,1,3.66357377433565611912e-01,3.66354581673306756162e-01,3.66354581673306756162e-01,3.63426294820717143974e-01,6.6169940000690985471e-03);
CREATE TABLE runs (
	run_id VARCHAR(40) NOT NULL, 
	title TEXT NOT NULL, 
	created VARCHAR(40) NOT NULL, 
	status VARCHAR(20) NOT NULL, 
	config JSON NOT NULL, 
	fingerprint VARCHAR(40) NOT NULL, 
	method TEXT NOT NULL, 
	pruner TEXT NOT NULL, 
	arch TEXT NOT NULL, 
	dataset TEXT NOT NULL, 
	seed BIGINT NOT NULL, 
	group_id VARCHAR(40) NOT NULL, 
	launcher VARCHAR(20) NOT NULL, 
	pid INTEGER, 
	host TEXT, 
	process_started FLOAT, 
	heartbeat FLOAT, 
	command VARCHAR(20), 
	cursor INTEGER NOT NULL, 
	segments INTEGER NOT NULL, 
	hashes JSON, 
	started JSON, 
	progress JSON, 
	totals JSON, 
	error TEXT, 
	traceback TEXT, 
	versions JSON, 
	revision INTEGER NOT NULL, 
	notes JSON, 
	PRIMARY KEY (run_id)
);
INSERT INTO "runs" VALUES('20261121-030854-85df','a first run','2026-11-21T03:08:54.626580+00:00','done','{"arch": "mlp", "dataset": "digits", "method": "app", "pruner": "snip", "schedule": "exponential", "megabatches": 2, "epochs": 1, "tau": 4.5, "replay": "full", "buffer_size": 1000, "scope": "global", "semantics": "paper", "prunable": "auto", "seed": 0, "batch_size": 64, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0001, "lr_drops": [0.4, 0.8], "lr_gamma": 0.1, "restore_best": true, "optimizer_state": "carry", "val_fraction": 0.1, "order": "shuffled", "score_fraction": 0.2, "score_batch_size": 100, "crop_padding": 1, "flip": false, "image_size": 0, "limit_train": 120, "limit_test": 40, "device": "cpu", "precision": "auto", "options": {}}','a220cf320ab5','app','snip','mlp','digits',0,'','thread',1,'elsewhere',1795230530.68,1.79523053462680578229e+09,NULL,6,6,'{"init": "4e659b0bbf758bb674eeeb37b81a3def2df375cb32e946cfaa72703c439a61be", "order": "9fa0d5b8409d0f2f34b4505bd1bc879d8e8de7b1d017b29ecb809dbfa57fba51", "scoring": "3ff6a54a7016e1e62729ea0f7627d919490e52cc93d9839e6dd9e2049d44ad4a"}','{"hashes": {"init": "4e659b0bbf758bb674eeeb37b81a3def2df375cb32e946cfaa72703c439a61be", "order": "9fa0d5b8409d0f2f34b4505bd1bc879d8e8de7b1d017b29ecb809dbfa57fba51", "scoring": "3ff6a54a7016e1e62729ea0f7627d919490e52cc93d9839e6dd9e2049d44ad4a"}, "device": "cpu (x86_64)", "precision": "fp32", "layers": [{"name": "fc1.weight", "shape": [300, 64], "flops": 38400, "total": 19200}, {"name": "fc2.weight", "shape": [100, 300], "flops": 60000, "total": 30000}, {"name": "fc3.weight", "shape": [10, 100], "flops": 2000, "total": 1000}], "parameters": 50610, "train_images": 120, "test_images": 40, "image_shape": [1, 8, 8], "classes": 10, "forward_flops": 100400, "training_flops": 262800, "notes": ["Every fifth image of each digit, in one fixed shuffled order, is the test set: the same 360 for every seed."]}',NULL,'{"seconds": 0.03248663999875134, "images_per_second": 4986.665287829909, "cer": 71, "train_flops_dense": 42573600, "train_flops_sparse": 20927484, "peak_memory_bytes": 896843776, "weights_hash": "4f02c2780407bc4d995262ce44776baf54c9c8116aa4bd6f85ba1de66fd3fa3e", "phase_seconds": {"score": 0.017348542000036105, "measure": 0.007120294001651928, "train": 0.006131680996986688, "validate": 0.0007468439980584662, "test": 0.0011392790020181565}}',NULL,NULL,NULL,15,'[]');
CREATE INDEX ix_runs_created ON runs (created);
CREATE INDEX ix_runs_status ON runs (status);
CREATE INDEX ix_runs_group_id ON runs (group_id);
COMMIT;
