//! Every operation of the definition: a request, and `name effect resources`. Each effect was read against what the operation
//! does at Zoho, not against its method.

use std::collections::BTreeSet;

use crate::settings::{SETTINGS, USERS};
use crate::support::{check_route, classified, service};

/// A request, and `name effect resources`.
pub type Row = (&'static str, &'static str);

/// What there is: the organisation, its modules and their fields.
const METADATA: &[Row] = &[
    ("GET /crm/v8/org", "org.get read $identity"),
    ("GET /crm/v8/settings/modules", "modules.list read $identity"),
    ("GET /crm/v8/settings/modules/Leads", "modules.get read Leads"),
    ("GET /crm/v8/users?type=CurrentUser", "users.list read $identity"),
    ("GET /crm/v8/users", "users.list read $users"),
    ("GET /crm/v8/users?type=AllUsers&page=1", "users.list read $users"),
    ("GET /crm/v8/users/5", "users.get read $users"),
    ("GET /crm/v8/settings/fields?module=Leads", "fields.list read Leads"),
    ("GET /crm/v8/settings/fields", "fields.list read $unknown"),
    ("GET /crm/v8/settings/fields?module=$users", "fields.list read $unknown"),
    ("GET /crm/v8/settings/fields?module=Leads,Contacts", "fields.list read $unknown"),
    ("GET /crm/v8/settings/layouts?module=Deals", "layouts.list read Deals"),
    ("GET /crm/v8/settings/related_lists?module=Deals", "related_lists.list read Deals"),
    ("GET /crm/v8/settings/custom_views?module=Leads", "custom_views.list read Leads"),
    ("GET /crm/v8/settings/roles", "roles.list read $settings"),
    ("GET /crm/v8/settings/profiles/1", "profiles.get read $settings"),
    ("GET /crm/v8/settings/modules/4876876000000000001", "settings.get read $settings"),
    ("GET /crm/v8/settings/fields/1?module=Leads", "fields.get read Leads"),
    ("GET /crm/v8/settings/fields/1/pick_list_values?module=Leads", "fields.pick_list_values read Leads"),
    ("GET /crm/v8/settings/layouts/1?module=Leads", "layouts.get read Leads"),
    ("GET /crm/v8/settings/related_lists/1?module=Leads", "related_lists.get read Leads"),
    ("GET /crm/v8/settings/custom_views/1?module=Leads", "custom_views.get read Leads"),
];

/// Records, one by one and many.
const RECORDS: &[Row] = &[
    ("GET /crm/v8/Leads?fields=Last_Name&per_page=1", "records.list read Leads"),
    ("GET /crm/v8/leads?fields=Last_Name", "records.list read leads"),
    ("GET /crm/v8/Leads/123", "records.get read Leads"),
    ("GET /crm/v8/Leads/ann%40example.com", "records.get read Leads"),
    ("GET /crm/v8/Leads/search?criteria=(A:equals:1)", "records.search read Leads"),
    ("GET /crm/v8/Leads/actions/count", "records.count read Leads"),
    ("GET /crm/v8/Leads/deleted?type=all", "records.deleted read Leads"),
    ("GET /crm/v8/Leads/1/__timeline", "records.timeline read Leads"),
    ("GET /crm/v8/Accounts/1/Deals?fields=Amount", "related.list read Accounts+Deals"),
    ("GET /crm/v8/Accounts/1/Open_Activities?fields=x", "related.list read $unknown+Accounts"),
    ("GET /crm/v8/Accounts/1/Notes/2?fields=x", "related.get read Accounts+Notes"),
    ("POST /crm/v8/Leads/1/actions/get_related_records_count", "related.count read $unknown+Leads"),
    ("POST /crm/v8/Leads", "records.create write Leads"),
    ("PUT /crm/v8/Leads", "records.update write Leads"),
    ("PUT /crm/v8/Leads/1", "records.update_one write Leads"),
    ("POST /crm/v8/Leads/upsert", "records.upsert write Leads"),
    ("DELETE /crm/v8/Leads?ids=1,2", "records.delete_many destructive Leads"),
    ("DELETE /crm/v8/Leads/1", "records.delete_one destructive Leads"),
    ("POST /crm/v8/Leads/actions/mass_update", "mass.update write Leads"),
    ("POST /crm/v8/Leads/actions/mass_delete", "mass.delete destructive Leads"),
    ("POST /crm/v8/Leads/actions/change_owner", "owner.change_many write Leads"),
    ("POST /crm/v8/Leads/actions/mass_change_owner", "mass.change_owner write Leads"),
    ("POST /crm/v8/Leads/1/actions/merge", "records.merge destructive Leads"),
    ("POST /crm/v8/Leads/1/actions/convert", "leads.convert destructive Accounts+Contacts+Deals+Leads"),
    ("POST /crm/v8/Leads/actions/mass_convert", "leads.mass_convert destructive Accounts+Contacts+Deals+Leads"),
    ("POST /crm/v8/Quotes/1/actions/convert", "inventory.convert write $unknown+Quotes"),
    ("POST /crm/v8/Quotes/actions/mass_convert", "inventory.mass_convert write $unknown+Quotes"),
    ("POST /crm/v8/Leads/1/actions/clone", "records.clone write Leads"),
    ("PUT /crm/v8/Leads/1/actions/blueprint", "blueprint.move write Leads"),
    ("PUT /crm/v8/Products/1/Leads/2", "related.link write Leads+Products"),
    ("DELETE /crm/v8/Products/1/Leads/2", "related.unlink destructive Leads+Products"),
    ("POST /crm/v8/coql", "records.coql read $unknown"),
    ("GET /crm/v8/Leads/actions/fetch_full_data", "records.full_data read Leads"),
    ("GET /crm/v8/Leads/1/actions/fetch_full_data", "records.full_data_of read Leads"),
    ("GET /crm/v8/Leads/1/actions/blueprint", "blueprint.get read Leads"),
    ("GET /crm/v8/Leads/1/actions/merge", "merge.status read Leads"),
    ("GET /crm/v8/Leads/1/__conversion_options", "convert.options read Leads"),
    ("PUT /crm/v8/Leads/1/Notes", "related.link_many write Leads+Notes"),
    ("POST /crm/v8/Leads/actions/assign_territories", "territories.assign_many write Leads"),
    ("POST /crm/v8/Leads/1/actions/assign_territories", "territories.assign write Leads"),
    ("DELETE /crm/v8/Leads/1/Notes?ids=1,2", "related.unlink_many destructive Leads+Notes"),
    ("POST /crm/v8/Leads/actions/remove_territories", "territories.remove_many destructive Leads"),
    ("POST /crm/v8/Leads/1/actions/remove_territories", "territories.remove destructive Leads"),
    ("GET /crm/v8/Leads/actions/mass_update", "mass.update_status read Leads"),
    ("GET /crm/v8/Leads/actions/mass_delete", "mass.delete_status read Leads"),
    ("POST /crm/v8/Leads/1/actions/change_owner", "owner.change write Leads"),
    ("GET /crm/v8/Leads/actions/mass_change_owner", "mass.change_owner_status read Leads"),
    ("GET /crm/v8/Leads/actions/mass_convert", "leads.mass_convert_status read Leads"),
    ("GET /crm/v8/Quotes/actions/mass_convert", "inventory.mass_convert_status read Quotes"),
];

/// Notes, tags and files.
const FILES: &[Row] = &[
    ("GET /crm/v8/Notes?fields=Note_Title", "records.list read Notes"),
    ("POST /crm/v8/Notes", "records.create write Notes"),
    ("DELETE /crm/v8/Notes/1", "records.delete_one destructive Notes"),
    ("GET /crm/v8/Leads/1/Notes?fields=Note_Title", "related.list read Leads+Notes"),
    ("POST /crm/v8/Leads/1/Notes", "notes.create_on write Leads+Notes"),
    ("PUT /crm/v8/Leads/1/Notes/2", "related.link write Leads+Notes"),
    ("DELETE /crm/v8/Leads/1/Notes/2", "related.unlink destructive Leads+Notes"),
    ("POST /crm/v8/Leads/actions/add_tags", "tags.add_to_many write Leads"),
    ("POST /crm/v8/Leads/1/actions/remove_tags", "tags.remove destructive Leads"),
    ("POST /crm/v8/settings/tags/1/actions/merge", "tags.merge destructive $settings"),
    ("POST /crm/v8/settings/tags/actions/mass_delete", "tags.mass_delete destructive $settings"),
    ("GET /crm/v8/settings/tags?module=Leads", "tags.list read Leads"),
    ("GET /crm/v8/Leads/1/Attachments?fields=id", "attachments.list read Attachments+Leads"),
    ("POST /crm/v8/Leads/1/Attachments", "attachments.upload write Attachments+Leads"),
    (
        "POST /crm/v8/Leads/1/Attachments?attachmentUrl=http://x",
        "attachments.upload destructive Attachments+Leads",
    ),
    ("GET /crm/v8/files?id=1", "files.download read $files"),
    ("POST /crm/v8/files", "files.upload write $files"),
    ("POST /crm/v8/upload", "bulk.upload write $bulk"),
    ("POST /crm/v8/Leads/1/actions/add_tags", "tags.add write Leads"),
    ("POST /crm/v8/Leads/actions/remove_tags", "tags.remove_from_many destructive Leads"),
    ("GET /crm/v8/Leads/1/Attachments/2", "attachments.download read Attachments+Leads"),
    ("DELETE /crm/v8/Leads/1/Attachments?ids=1,2", "attachments.delete_many destructive Attachments+Leads"),
    ("DELETE /crm/v8/Leads/1/Attachments/2", "attachments.delete destructive Attachments+Leads"),
    ("GET /crm/v8/Leads/1/photo", "photo.download read Leads"),
    ("POST /crm/v8/Leads/1/photo", "photo.upload write Leads"),
    ("DELETE /crm/v8/Leads/1/photo", "photo.delete destructive Leads"),
];

/// What leaves the organisation, comes in bulk, runs code or is gone for good.
const OUTSIDE: &[Row] = &[
    ("POST /crm/v8/Leads/1/actions/send_mail", "mail.send destructive Leads"),
    ("POST /crm/v8/Leads/1/actions/send_mail_merge", "mail.send_merge destructive Leads"),
    ("POST /crm/v8/Leads/1/actions/sign_mail_merge", "mail.sign_merge destructive Leads"),
    ("POST /crm/v8/actions/watch", "watch.enable destructive $notifications"),
    ("PUT /crm/v8/actions/watch", "watch.replace destructive $notifications"),
    ("PATCH /crm/v8/actions/watch", "watch.extend destructive $notifications"),
    ("DELETE /crm/v8/actions/watch?channel_ids=1", "watch.disable destructive $notifications"),
    ("POST /crm/v8/Leads/1/actions/share", "share.add destructive Leads"),
    ("POST /crm/v8/Leads/actions/share_emails", "share_emails.add_many destructive Leads"),
    ("GET /crm/v8/functions/f/actions/execute", "functions.execute_get destructive $functions"),
    ("GET /crm/bulk/v8/read/1", "bulk.read.get read $bulk"),
    ("GET /crm/bulk/v8/read/1/result", "bulk.read.result read $bulk"),
    ("POST /crm/bulk/v8/backup", "backup.create destructive $backup"),
    ("GET /crm/bulk/v8/backup/urls", "backup.urls destructive $backup"),
    ("POST /crm/v8/settings/audit_log_export", "audit_log_export.create destructive $settings"),
    ("DELETE /crm/v8/settings/recycle_bin?ids=1", "recycle_bin.delete_many destructive $recycle_bin"),
    ("POST /crm/v8/settings/recycle_bin/actions/restore", "recycle_bin.restore_many write $recycle_bin"),
    ("GET /crm/v8/Leads/1/actions/share", "share.get read Leads"),
    ("PUT /crm/v8/Leads/1/actions/share", "share.change destructive Leads"),
    ("DELETE /crm/v8/Leads/1/actions/share", "share.revoke destructive Leads"),
    ("POST /crm/v8/Leads/1/actions/share_emails", "share_emails.add destructive Leads"),
    ("POST /crm/v8/Leads/actions/unshare_emails", "share_emails.remove_many destructive Leads"),
    ("POST /crm/v8/Leads/1/actions/unshare_emails", "share_emails.remove destructive Leads"),
    ("POST /crm/v8/Leads/1/actions/portal_invite", "portal.invite destructive Leads"),
    ("GET /crm/v8/actions/watch", "watch.list read $notifications"),
    ("POST /crm/v8/functions/f/actions/execute", "functions.execute destructive $functions"),
    ("POST /crm/bulk/v8/read", "bulk.read.create read $unknown"),
    ("POST /crm/bulk/v8/write", "bulk.write.create write $bulk+$unknown"),
    ("GET /crm/bulk/v8/write/1", "bulk.write.get read $bulk"),
    ("GET /crm/bulk/v8/backup", "backup.get read $backup"),
    ("GET /crm/bulk/v8/backup/history", "backup.history read $backup"),
    ("PUT /crm/bulk/v8/backup/1/actions/cancel", "backup.cancel destructive $backup"),
    ("GET /crm/v8/settings/recycle_bin", "recycle_bin.list read $recycle_bin"),
    ("GET /crm/v8/settings/recycle_bin/1", "recycle_bin.get read $recycle_bin"),
    ("DELETE /crm/v8/settings/recycle_bin/1", "recycle_bin.delete destructive $recycle_bin"),
    ("POST /crm/v8/settings/recycle_bin/1/actions/restore", "recycle_bin.restore write $recycle_bin"),
    ("GET /crm/v8/settings/audit_log_export", "audit_log_export.list destructive $settings"),
    ("GET /crm/v8/settings/audit_log_export/1", "audit_log_export.get destructive $settings"),
];

#[test]
fn every_operation_is_what_its_row_says() {
    // What carries others is what those are: `envelopes`.
    let mut seen = BTreeSet::from(["composite"]);
    for (line, expect) in [METADATA, RECORDS, FILES, OUTSIDE, USERS, SETTINGS].concat() {
        check_route(line, expect);
        seen.insert(expect.split(' ').next().unwrap_or_default());
    }
    let all: BTreeSet<&str> = service().operations.iter().map(|operation| operation.name.as_str()).collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&&str>::new(), "operations without a row");
}

#[test]
fn the_file_of_a_bulk_write_has_a_host_of_its_own() {
    assert_eq!(classified("POST", "/crm/v8/upload", &[], "").definition().expect("known").host, "upload");
}
